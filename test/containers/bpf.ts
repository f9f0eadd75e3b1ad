// An interpreter for classic BPF over struct seccomp_data: what the kernel would answer.

export interface SeccompData {
  readonly nr: number;
  readonly arch: number;
  readonly args?: readonly bigint[];
}

const LD_W_ABS = 0x20;
const ALU_AND_K = 0x54;
const JMP_JA = 0x05;
const RET_K = 0x06;
const COMPARE: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  21: (a, k) => a === k,
  37: (a, k) => a > k,
  53: (a, k) => a >= k,
};

function layOut({ nr, arch, args = [] }: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(0, nr, true);
  view.setUint32(4, arch, true);
  args.forEach((value, index) => {
    view.setBigUint64(16 + 8 * index, BigInt.asUintN(64, value), true);
  });
  return view;
}

/** The return value and the number of instructions executed. */
export function runFilter(filter: Uint8Array, data: SeccompData): { result: number; executed: number } {
  const code = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  const memory = layOut(data);
  let accumulator = 0;
  let executed = 0;
  for (let at = 0; at * 8 < filter.length; at++) {
    const op = code.getUint16(at * 8, true);
    const k = code.getUint32(at * 8 + 4, true);
    executed++;
    if (op === RET_K) return { result: k, executed };
    if (op === LD_W_ABS) accumulator = memory.getUint32(k, true);
    else if (op === ALU_AND_K) accumulator = (accumulator & k) >>> 0;
    else if (op === JMP_JA) at += k;
    else {
      const compare = COMPARE[op];
      if (compare === undefined) throw new Error(`operation ${op.toString(16)} at ${at}`);
      at += code.getUint8(at * 8 + (compare(accumulator, k) ? 2 : 3));
    }
  }
  throw new Error('the program does not return');
}
