"""Who answers for a model: the policy of an alias, what people answered, what it binds, forms, emergencies."""
