// Scheduling of a process: CPU scheduler and I/O priority in the kernel's numbers.
import { ComposeError } from '../errors.ts';
import type { OciProcess, OciScheduler } from './oci.ts';
import { type Step, step } from './steps.ts';

/** SCHED_* of linux/sched.h. */
const POLICIES: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};

const FLAGS: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};

/** IOPRIO_CLASS_* of linux/ioprio.h. */
const CLASSES: Readonly<Record<string, number>> = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
};

/** Throws ComposeError `invalid-value` for a name that the kernel does not have. */
export function schedulingSteps({ scheduler, ioPriority }: OciProcess): Step[] {
  return [
    ...(scheduler === undefined ? [] : [schedulerStep(scheduler)]),
    ...(ioPriority === undefined
      ? []
      : [step('IO_PRIORITY', numberOf(CLASSES, ioPriority.class), ioPriority.priority)]),
  ];
}

function schedulerStep(wanted: OciScheduler): Step {
  const { policy, nice = 0, priority = 0, flags = [], runtime = 0, deadline = 0, period = 0 } = wanted;
  const bits = flags.reduce((sum, flag) => sum | numberOf(FLAGS, flag), 0);
  return step('SCHEDULER', numberOf(POLICIES, policy), bits, nice, priority, runtime, deadline, period);
}

function numberOf(table: Readonly<Record<string, number>>, name: string): number {
  const number = table[name];
  if (number === undefined) throw new ComposeError('invalid-value', `unknown scheduling value ${name}`);
  return number;
}
