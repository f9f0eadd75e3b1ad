// What the shim gets of the environment of who calls it.

/**
 * Nothing: processes of a container that may trace could read it in one that joins them. Tests that make a step fail say
 * which one.
 */
export function shimEnvironment(): Readonly<Record<string, string>> {
  const fault = process.env.TSCOMPOSE_FAIL_STEP;
  return fault ? { TSCOMPOSE_FAIL_STEP: fault } : {};
}
