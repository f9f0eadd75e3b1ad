// Splits the command line of `command` and `entrypoint` into words, as the reference does without a shell.

interface State {
  word: string;
  started: boolean;
  single: boolean;
  double: boolean;
  back: boolean;
  dollar: boolean;
}

/** The words of a command line; undefined when quotes or parentheses do not match. */
export function splitCommand(line: string): string[] | undefined {
  const words: string[] = [];
  const state: State = { word: '', started: false, single: false, double: false, back: false, dollar: false };
  let escaped = false;
  for (const character of line) {
    if (escaped) {
      take(state, character);
      escaped = false;
    } else if (character === '\\') {
      if (state.single) state.word += character;
      else escaped = true;
    } else if (' \t\r\n'.includes(character)) {
      if (isQuoted(state)) state.word += character;
      else endWord(state, words);
    } else if (character === '(' && !state.single && !state.double && !state.back) {
      if (state.dollar || !state.word.endsWith('$')) return undefined;
      state.dollar = true;
      state.word += character;
    } else if (!isQuoted(state) && ';&|<>'.includes(character)) {
      // An unquoted operator of the shell ends the command: the rest is dropped, a descriptor number too.
      if (character === '>' && /^\d/.test(state.word)) state.started = false;
      break;
    } else if (!toggleQuote(state, character)) take(state, character);
  }
  if (state.started) words.push(state.word);
  return escaped || isQuoted(state) ? undefined : words;
}

function take(state: State, character: string): void {
  state.word += character;
  state.started = true;
}

function endWord(state: State, words: string[]): void {
  if (!state.started) return;
  words.push(state.word);
  state.word = '';
  state.started = false;
}

function isQuoted(state: State): boolean {
  return state.single || state.double || state.back || state.dollar;
}

/** Opens or closes a quote; true when the character itself is no part of the word. */
function toggleQuote(state: State, character: string): boolean {
  if (character === '`' && !state.single && !state.double && !state.dollar) state.back = !state.back;
  if (character === ')' && !state.single && !state.double && !state.back) state.dollar = !state.dollar;
  if (character === '"' && !state.single && !state.dollar) {
    state.started ||= state.double;
    state.double = !state.double;
    return true;
  }
  if (character === "'" && !state.double && !state.dollar) {
    state.started ||= state.single;
    state.single = !state.single;
    return true;
  }
  return false;
}
