/* JSON whose whole numbers keep all their digits, however many there are. */

const SPELLED = /^\s*[+-]?\d+\s*$/;
const mark = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/* JSON that is written already. */
class Written {
  constructor(text) {
    this.text = text;
  }
}

export const written = (text) => new Written(text);

/* Give `value` as JSON: a BigInt as the number that it is, and what is `written` as it stands. */
export function stringify(value) {
  const parts = [];
  const put = (text) => `${mark}${parts.push(text) - 1}`;
  const json = JSON.stringify(value, (_, one) => {
    if (typeof one === "bigint") return put(String(one));
    return one instanceof Written ? put(one.text) : one;
  });
  return parts.length === 0 ? json : json.replace(new RegExp(`"${mark}(\\d+)"`, "g"), (_, index) => parts[index]);
}

/* The number in a field of numbers: a BigInt where a number of JavaScript would round it; null where there is none. */
export function numberIn(input) {
  const number = input.valueAsNumber;
  if (Number.isNaN(number)) return null;
  return SPELLED.test(input.value) && !Number.isSafeInteger(number) ? BigInt(input.value.trim()) : number;
}
