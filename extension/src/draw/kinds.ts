/** Every kind of object Python shows: a module of `nbmlops.widgets` each, which a test compares. */
export const KINDS = [
  'actor',
  'advice',
  'again',
  'agreed',
  'agreement',
  'approvals',
  'audit',
  'audit_anchor',
  'audit_check',
  'audit_export',
  'bundle',
  'charter',
  'check',
  'comparison',
  'corrected',
  'dataset',
  'decided',
  'difference',
  'drift',
  'erased',
  'errors_gone',
  'evaluation',
  'explanation',
  'fan',
  'flag',
  'flags',
  'gate',
  'how_to',
  'increment',
  'job',
  'lineage',
  'model',
  'model_file',
  'parameters',
  'performance',
  'prediction',
  'profile',
  'pruned',
  'report',
  'reports',
  'retrained',
  'review_estimate',
  'review_list',
  'rule_model',
  'rules',
  'run',
  'runs',
  'scored',
  'signatures',
  'site',
  'status',
  'throughput',
  'tick',
  'verified',
  'viability',
  'worth'
] as const;

/** The version of their JSON we draw. */
export const VERSION = 1;

/** Return the MIME type of a kind. */
export function mimeOf(kind: string): string {
  return `application/vnd.nbmlops.${kind}.v${VERSION}+json`;
}

/** Return the kind a MIME type, or a kind's own name, means; null for a kind or version we do not know. */
export function kindOf(said: string): string | null {
  const [, name, version] = /^application\/vnd\.nbmlops\.([a-z_]+)\.v(\d+)\+json$/.exec(said) ?? [
    '',
    said,
    `${VERSION}`
  ];
  return version === `${VERSION}` && (KINDS as readonly string[]).includes(name) ? name : null;
}
