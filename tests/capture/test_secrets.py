"""Credentials are masked; what merely looks like one is not."""

import base64
import copy
import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

import nbmlops as nb
from nbmlops.capture import secrets
from nbmlops.capture.secrets import MASK, is_secret_name, redact, redact_value
from nbmlops.errors import Invalid, NotFound

HEX, MIXED = "0123456789abcdef" * 8, "aB3dE6gH9jK2mN5pQ8rS" * 8


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(secrets, "_remembered", {})


# Put together here, so that nobody who scans this file finds a credential.
SHAPES = {
    "AWS": "AKIA" + "ABCDEFGHIJKLMNOP",
    "AWS, for a while": "ASIA" + "ABCDEFGHIJKLMNOP",
    "AWS, a bearer's": "ABIA" + "ABCDEFGHIJKLMNOP",
    "AWS session": "FwoGZXIvYXdzE" + MIXED[:60],
    "AWS session, newer": "IQoJb3JpZ2lu" + MIXED[:60],
    "GitHub, a person's": "gh" + "p_" + MIXED[:36],
    "GitHub, an app's": "gh" + "s_" + MIXED[:36],
    "GitHub, OAuth": "gh" + "o_" + MIXED[:36],
    "GitHub, renewal": "gh" + "r_" + MIXED[:36],
    "GitHub, fine": "github" + "_pat_" + MIXED[:60],
    "GitLab": "glp" + "at-" + MIXED[:20],
    "GitLab, a runner's": "glr" + "t-" + MIXED[:20],
    "GitLab, deployment": "gld" + "t-" + MIXED[:20],
    "Slack": "xox" + "b-123456789012-" + MIXED[:24],
    "Slack, an app's": "xap" + "p-1-A0123-456-" + HEX[:32],
    "Slack webhook": "hooks.slack" + ".com/services/T000/B000/" + MIXED[:24],
    "Stripe": "sk_" + "live_" + MIXED[:24],
    "Stripe, restricted": "rk_" + "test_" + MIXED[:24],
    "Stripe webhook": "whs" + "ec_" + MIXED[:32],
    "Twilio": "SK" + HEX[:32],
    "SendGrid": "SG" + "." + MIXED[:22] + "." + MIXED[:43],
    "Mailgun": "key" + "-" + HEX[:32],
    "Mailgun, newer": HEX[:32] + "-01234567-" + "89abcdef",
    "Mailchimp": HEX[:32] + "-us" + "12",
    "OpenAI": "sk" + "-" + MIXED[:48],
    "OpenAI, a project's": "sk" + "-proj-" + MIXED[:40] + "-_" + MIXED[:40],
    "Anthropic": "sk" + "-ant-api03-" + MIXED[:80],
    "Hugging Face": "hf" + "_" + MIXED[:34],
    "Google": "AI" + "za" + MIXED[:35],
    "Google OAuth": "ya" + "29." + MIXED[:60],
    "Google client": "GOC" + "SPX-" + MIXED[:28],
    "Azure client": "8Q" + "~" + MIXED[:34],
    "Databricks": "da" + "pi" + HEX[:32],
    "npm": "np" + "m_" + MIXED[:36],
    "PyPI": "py" + "pi-AgEIcHlwaS5vcmc" + MIXED[:60],
    "Docker": "dckr" + "_pat_" + MIXED[:27],
    "DigitalOcean": "do" + "p_v1_" + HEX[:64],
    "Cloudflare": "v1" + ".0-" + HEX[:24] + "-" + HEX[:120],
    "Heroku": "HR" + "KU-AA" + MIXED[:50],
    "Shopify": "shp" + "at_" + HEX[:32],
    "Square": "sq0" + "atp-" + MIXED[:22],
    "Telegram": "123456789" + ":AA" + MIXED[:33],
    "Discord": "M" + "TE4NzY1NDMyMTA5ODc2NTQz.GabcdE." + MIXED[:30],
    "Discord webhook": "discord.com" + "/api/webhooks/123456/" + MIXED[:40],
    "New Relic": "NR" + "AK-" + MIXED[:27].upper(),
    "Sentry": "sntr" + "ys_" + MIXED[:60],
    "Vault": "hv" + "s." + MIXED[:30],
    "Terraform": MIXED[:14] + ".atlas" + "v1." + MIXED[:60],
    "Linear": "lin" + "_api_" + MIXED[:40],
    "Postman": "PM" + "AK-" + HEX[:24] + "-" + HEX[:34],
    "Grafana": "gl" + "sa_" + MIXED[:32] + "_0123abcd",
    "Airtable": "pa" + "t" + MIXED[:14] + "." + HEX[:64],
    "Groq": "gs" + "k_" + MIXED[:52],
    "Replicate": "r8" + "_" + MIXED[:37],
    "LangSmith": "ls" + "v2_pt_" + HEX[:32] + "_0123456789",
    "Kaggle": "KG" + "AT_" + HEX[:32],
    "Tailscale": "ts" + "key-auth-" + MIXED[:30],
    "web token": "eyJ" + MIXED[:20] + "." + MIXED[:40] + "." + MIXED[:30],
    "web token, sealed": "eyJ" + MIXED[:20] + ".." + MIXED[:16] + "." + MIXED[:60] + "." + MIXED[:22],
    "private key": "-----BEGIN RSA PRIVATE" + " KEY-----\n" + MIXED[:64] + "\n-----END RSA PRIVATE KEY-----",
    "private key, cut": "-----BEGIN PRIVATE" + " KEY-----\n" + MIXED[:64],
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("around", ["{}", "see {} there", "x='{}'", "a\\n{}\\n", '<b>{}</b>, "{}"', "x%3D{}"])
def test_a_known_shape_is_masked_wherever_it_stands(text, around):
    masked = redact(around.format(text, text))
    assert text[-20:] not in masked
    assert MASK in masked


VALUE = "hunter2abc"


@pytest.mark.parametrize(
    "text",
    [
        # a literal, however it is written
        'password = "hunter2abc"',
        "os.environ['API_KEY'] = 'hunter2abc'",
        'dict(secret="hunter2abc")',
        '{"access_token": "hunter2abc"}',
        '"clientSecret":"hunter2abc"',
        'conf["db"]["password"] = "hunter2abc"',
        'token: str = "hunter2abc"',
        'token: str | None = "hunter2abc"',
        'token: Optional[str] = "hunter2abc"',
        'password = f"hunter2abc{x}"',
        'password = ("hunter2abc")',
        'password = (\n    "hunter2abc"\n)',
        'password = \\\n "hunter2abc"',
        'secret = """hunter2abc"""',
        'password = "hunter2abc',
        "if password == 'hunter2abc': pass",
        "set_password('hunter2abc')",
        'password = SecretStr("hunter2abc")',
        # one of several
        'passwords = [\n "b",\n "hunter2abc",\n]',
        'credentials = {"user": "me", "key": "hunter2abc"}',
        'requests.get(u, auth=("me", "hunter2abc"))',
        'HTTPBasicAuth("me", "hunter2abc")',
        'smtp.login("me", "hunter2abc")',
        # one that is there in case another is not
        'password = os.environ.get("X", "hunter2abc")',
        'x = os.getenv("API_KEY", "hunter2abc")',
        'os.getenv("API_KEY", default="hunter2abc")',
        'password = os.getenv("X") or "hunter2abc"',
        'password = a if b else "hunter2abc"',
        'os.environ.setdefault("TOKEN", "hunter2abc")',
        'parser.add_argument("--password", default="hunter2abc")',
        # text inside text
        r'"{\"password\": \"hunter2abc\"}"',
        r"'x\nMY_AUTH_TOKEN: hunter2abc'",
        "&quot;password&quot;: &quot;hunter2abc&quot;",
        'print("token:", token, "password=\'hunter2abc\'")',
        # lines of files and shells
        "API_KEY=hunter2abc",
        "x=1\napi_key=hunter2abc\n",
        "db:\n  user: me\n  password: hunter2abc\n",
        'password = "hunter2abc" # TOML',
        "aws_secret_access_key = hunter2abc",
        "@@ -1 +1 @@\n-API_KEY=hunter2abc\n+API_KEY=hunter2abc\n+  api_key: hunter2abc\n",
        "%env API_KEY=hunter2abc",
        "%env API_KEY hunter2abc",
        "!export API_KEY=hunter2abc",
        "!API_KEY=hunter2abc python train.py",
        'export DB_PASSWORD="hunter2abc"',
        "docker run -e API_KEY=hunter2abc image",
        "mysql --password hunter2abc -u me",
        "run --password=hunter2abc now",
        "machine host login me password hunter2abc",
        "curl -u me:hunter2abc https://host",
        "ALTER USER me PASSWORD 'hunter2abc'",
        'CREATE USER me IDENTIFIED BY "hunter2abc"',
        'authentication failed for password "hunter2abc"',
        # addresses and headers
        "connect('mysql://root:hunter2abc@host/db')",
        "redis://:hunter2abc@host/0",
        "postgresql://me:p@hunter2abc@host/db",
        "https://host/x?token=hunter2abc&y=1",
        "https://host/x?y=1&amp;api_key=hunter2abc",
        "https://host/x?sv=2022&sig=hunter2abc%3D",
        "https://host/x?X-Amz-Signature=hunter2abc",
        "AccountName=x;AccountKey=hunter2abc;",
        "Server=x;Password=hunter2abc;Database=y",
        "host=db password=hunter2abc user=me",
        "headers = {'Authorization': 'Bearer hunter2abc'}",
        "Authorization: Basic hunter2abc==",
        "Authorization: token hunter2abc",
        "X-Api-Key: hunter2abc",
        "Cookie: session=hunter2abc; a=b",
    ],
)
def test_a_value_is_masked_by_what_it_stands_beside(text):
    masked = redact(text)
    assert VALUE not in masked
    assert MASK in masked


def test_a_secret_without_any_digit_is_masked_where_only_a_value_can_stand():
    for text in ("Server=x;Pwd=correcthorse;", "user=me password=correcthorse", "http://x/?api_key=correcthorse"):
        assert "correcthorse" not in redact(text)
    for text in ("%%track x --tag password=correcthorse", "nbmlops run x.ipynb -p db_password correcthorse"):
        assert "correcthorse" not in redact(text)
    for text in ("+API_KEY={}", "-API_KEY={}", "+  password: {}", "-password: {}"):  # the lines of a diff
        assert "correcthorse" not in redact(text.format("correcthorse"))


def test_the_secret_key_beside_a_key_id_is_masked():
    key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "0123456789"
    assert redact(f"{SHAPES['AWS']},{key}\n") == f"{MASK}\n"


def test_hexadecimal_keys_are_masked_beside_the_service_they_open():
    key = HEX[:40]
    assert key not in redact(f'wandb.login(key="{key}")')
    assert key not in redact(f"!wandb login {key}")
    assert key not in redact(f"WANDB_API_KEY={key}")
    assert key not in redact(f"heroku_api_key = {key}")
    assert HEX[:32] not in redact(f'{{"username": "me", "key": "{HEX[:32]}"}}')


@pytest.mark.parametrize(
    "text",
    [
        "num_memory_tokens = 512",
        'tokenizer = "bert-base"',
        "f(max_tokens=256)",
        "model(token_type_ids=ids)",
        "pd.read_csv('secret_santa.csv')",
        "password_length=12",
        'password_hash = "x"',
        'eos_token = "</s>"',
        "tokenizer.pad_token = tokenizer.eos_token",
        'if token == "the": pass',
        'tokens = ["the", "cat"]',
        '"tokens": 512, "use_token": true',
        "token = tokens[0]",
        "password = getpass.getpass('Password: ')",
        "api_key = settings.api_key",
        "def f(password: str, token=None): ...",
        "f(password=password, token=token)",
        "f(\n    token=token\n)",
        'f"password={password}"',
        'f"postgresql://{user}:{password}@host/x"',
        'f"Bearer {token}"',
        'print("token:", token)',
        "Enter the password: ",
        "token : callable\n    Cuts a text.",
        'df[["password", "length"]]',
        "# Basic statistics of bearer bonds",
        'author = ("Ada", "Grace")',
        "ask-or-answer-questions-in-2024-please",
        "task-management-and-planning-tool",
        "from secrets import token_hex",
        "http://host:80/eyJ and https://me@host/x",
        "private_key: ~/.ssh/id_rsa",
        "signature=inspect.signature(f)",
        'sort_key = "name"',
        "sha256:" + HEX[:64],
        "commit " + HEX[:40],
        "123e4567-e89b-12d3-a456-426614174000",
        'password = nb.Secret("DB_PASSWORD")',
        "password = Secret('DB_PASSWORD')",
        '{"password": "Secret(\'DB_PASSWORD\')"}',
    ],
)
def test_ordinary_text_is_left_as_it_is(text):
    assert redact(text) == text


def test_pictures_in_base64_are_left_as_they_are():
    import random

    chance = random.Random(3)
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + chance.randbytes(300_000)).decode()
    inside = data[:5000] + "AIza" + data[5000:6000] + "LTAI" + data[6000:7000] + "EAAA" + data[7000:]
    text = f'<img src="data:image/png;base64,{inside}"/>'
    assert redact(text) == text


def test_masking_twice_changes_nothing_more():
    text = 'password = "hunter2abc"\nAPI_KEY=abc\nhttp://me:hunter2abc@host?token=x1 password: hunter2abc\n'
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "name",
    [
        *("num_memory_tokens", "max_tokens", "maxTokens", "tokenizer", "n_tokens", "secretary", "keyboard", "PWD"),
        *("token_type_ids", "password_length", "eos_token", "special_tokens", "primary_key", "monkey", "cpwd"),
    ],
)
def test_ordinary_names_are_left_alone(name):
    assert not is_secret_name(name)
    assert redact_value(name, 512) == 512


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "db_password",
            "PGPASSWORD",
            "accessToken",
            "clientSecret",
            "X-Api-Key",
            "apikey",
            "AWS_SECRET_KEY",
        ),
        *("password2", "API_KEY_PROD", "GITHUB_TOKEN", "hftoken", "pwd", "passphrase", "credentials", "Authorization"),
    ],
)
def test_names_of_secrets_are_known_in_every_writing(name):
    assert is_secret_name(name)
    assert redact_value(name, "x") == MASK


def test_switches_and_numbers_of_tokens_are_no_secrets():
    assert redact_value("token", True) is True
    assert redact_value("tokens", 512) == 512
    assert redact_value("password", None) is None
    assert redact_value("password", 12345678) == MASK


def test_nested_values_are_masked_by_their_key():
    assert redact_value("config", {"db": {"password": "x", "port": 5}}) == {"db": {"password": MASK, "port": 5}}
    assert redact_value("steps", [{"api_key": "x"}, ("a", 1)]) == [{"api_key": MASK}, ["a", 1]]
    assert redact_value("x", {SHAPES["AWS"]: 1}) == {MASK: 1}


def test_a_record_with_a_secret_is_masked_and_another_stays_what_it_is():
    @dataclass
    class Config:
        password: str
        path: Path = Path("a")

    assert redact_value("config", Config("hunter2abc")) == {"password": MASK, "path": "a"}
    plain = Path("a")
    assert redact_value("path", plain) is plain


HOSTILE = [
    *("acgt", "eyJ", "eyJaaaaaaaaaaa.", "x://a:b", "x://a:b@c:d", "token", "token=", "token: a ", "password:\n", "'"),
    *("-----BEGIN A ", "\\\\", "\n", " ", "AKIA", "sk-", "SG.", "SG.aaaaaaaaaaaaaaaaaa", "AIza", "MM1", "0123abcd-"),
    *("password='", 'password=("', "passwords=['a',", "password=a if ", 'get("password",', "auth=('a',", "curl -u "),
    *("authorization:", "bearer ", "basic ", "?sig=", "&amp;key=", "a=b ", "login a password ", "cookie: ", "\\n"),
    *("export API_KEY=", "%env ", "https://h?", "a_", "Secret(", '"username":', "password: str | str ", "wandb.login "),
    "\u0130token=",
]


@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.timeout(30)  # one that goes back over what it has read would take many times longer
def test_a_long_text_is_masked_in_time_proportional_to_it(part):
    assert redact((part * 200_000)[:200_000])


@pytest.mark.timeout(60)
def test_a_megabyte_of_everything_is_masked_in_time_proportional_to_it():
    assert redact("".join(part * 25_000 for part in HOSTILE)[-1_000_000:])
    assert redact(("".join(HOSTILE) * 5_000)[:1_000_000])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("see http://host:80/eyJ and eyJabcdefghijk.x", "see http://host:80/eyJ and eyJabcdefghijk.x"),
        ("http://h:80/?next=http://me:hunter2@x", "http://h:[secret]@x"),
        ("eyJabcdefghijkl.eyJabcdefghijkl.sig", "[secret]"),
        (r'token = "a\"b" + "c"', 'token = "[secret]" + "c"'),
        (r'token = r"a\" + x', 'token = r"[secret]" + x'),
        ('token = "" + "x"', 'token = "" + "x"'),
        ('my.db_password = "abc', 'my.db_password = "[secret]'),
        ("f(password='a', user='b')", "f(password='[secret]', user='b')"),
        ("Server=x;Pwd=correct;User=me", "Server=x;Pwd=[secret];User=me"),
        ("?token=a1&page=2 and more", "?token=[secret]&page=2 and more"),
        ("API_KEY=abc python x.py", "API_KEY=[secret] python x.py"),
        ("tool --token a1b2 --verbose", "tool --token [secret] --verbose"),
        ("password: abcdef # mine\nport: 5", "password: [secret] # mine\nport: 5"),
    ],
)
def test_what_is_masked_ends_where_the_secret_ends(text, masked):
    assert redact(text) == masked


def test_a_secret_is_read_from_the_environment_and_shown_as_its_name(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    secret = nb.Secret("DB_PASSWORD")
    assert secret == "correct horse"
    assert f"{secret}!" == "correct horse!"
    assert repr([secret]) == "[Secret('DB_PASSWORD')]"


def test_a_secret_is_read_from_the_file_that_a_variable_names(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.setenv("DB_PASSWORD_FILE", str(tmp_path / "password"))
    assert nb.Secret("DB_PASSWORD") == "correct horse"
    monkeypatch.setenv("DB_PASSWORD", "battery staple")
    assert nb.Secret("DB_PASSWORD") == "battery staple"


def test_a_secret_that_is_not_set_says_where_it_is_read_from():
    with pytest.raises(NotFound, match="DB_NOWHERE_FILE"):
        nb.Secret("DB_NOWHERE")


def test_a_file_that_cannot_be_read_is_named_by_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("DB_PASSWORD_FILE", str(tmp_path / "nothing"))
    with pytest.raises(Invalid, match="DB_PASSWORD_FILE"):
        nb.Secret("DB_PASSWORD")


def test_a_value_given_as_a_name_is_not_shown():
    with pytest.raises(Invalid) as raised:
        nb.Secret("correct horse!")
    assert "horse" not in str(raised.value)


def test_a_secret_is_stored_as_a_reference(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    secret = nb.Secret("DB_PASSWORD")
    reference = "Secret('DB_PASSWORD')"
    assert redact(secret) == reference
    assert redact_value("password", secret) == reference
    assert redact_value("db", {"password": secret, "names": [secret]}) == {"password": reference, "names": [reference]}
    assert redact_value("password", reference) == reference


def test_a_secret_travels_as_its_name_and_is_read_where_it_arrives(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    data = pickle.dumps({"x": nb.Secret("DB_PASSWORD")})
    assert b"horse" not in data
    monkeypatch.setenv("DB_PASSWORD", "battery staple")
    assert pickle.loads(data)["x"] == "battery staple"


def test_a_copy_of_a_secret_needs_no_environment(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    secret = nb.Secret("DB_PASSWORD")
    monkeypatch.delenv("DB_PASSWORD")
    assert copy.deepcopy([secret])[0] is copy.copy(secret) is secret


@pytest.mark.parametrize("form", ["{}", "it was {}.", "x{}y"])
def test_a_resolved_value_is_masked_wherever_it_appears(form, monkeypatch):
    monkeypatch.setenv("DB_ENTRY", 'correct "horse"/ü')
    value = nb.Secret("DB_ENTRY")
    monkeypatch.delenv("DB_ENTRY")
    for spelling in (value[:], '"correct \\"horse\\"/\\u00fc"'[1:-1], "correct%20%22horse%22%2F%C3%BC"):
        assert redact(form.format(spelling)) == form.format(MASK)


def test_the_value_of_a_variable_that_is_secret_by_name_is_masked(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "correcthorse")
    monkeypatch.setenv("MY_FOLDER", "batterystaple")
    assert redact("correcthorse batterystaple") == f"{MASK} batterystaple"
    monkeypatch.setenv("MY_API_KEY", "another one")
    assert redact("another one") == MASK


def test_short_values_and_words_for_secrets_are_not_masked_everywhere(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "abc")
    monkeypatch.setenv("MY_PASSWORD", "password")
    assert redact("abcdef password") == "abcdef password"
    assert redact('password = "hunter2abc"') == 'password = "[secret]"'


def test_what_is_remembered_is_masked_line_by_line(monkeypatch):
    secrets.remember("first-line-of-a-key\nsecond-line-of-a-key")
    assert redact("> second-line-of-a-key") == f"> {MASK}"
