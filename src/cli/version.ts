// The version of this package, put in by the build.
declare const TSCOMPOSE_VERSION: string | undefined;

/** As in package.json; `dev` when the sources run without a build. */
export const VERSION: string = typeof TSCOMPOSE_VERSION === 'string' ? TSCOMPOSE_VERSION : 'dev';
