// A health check: 0 when the address answers well.
const answer = await fetch(process.argv[2]);
process.exit(answer.ok ? 0 : 1);
