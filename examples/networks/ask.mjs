// Prints what an address answers; fails with the reason when it does not.
try {
  const answer = await fetch(process.argv[2]);
  process.stdout.write(await answer.text());
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.error(error.cause?.code ?? error.message);
  process.exitCode = 1;
}
