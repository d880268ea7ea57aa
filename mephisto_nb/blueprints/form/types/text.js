addKind("text");

rules.pattern = ([pattern, flags], given) => given.every((one) => finds(pattern, flags, one));
rules.min_length = (wanted, given) => given.every((one) => [...one].length >= wanted);
rules.max_length = (wanted, given) => given.every((one) => [...one].length <= wanted);

function finds(pattern, flags, text) {
  try {
    return new RegExp(pattern, flags.replace(/[gy]/g, "")).test(text);
  } catch {
    return true; // an expression that this browser cannot read must keep nobody from sending; Python will judge
  }
}
