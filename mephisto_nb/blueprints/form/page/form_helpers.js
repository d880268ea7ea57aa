/* What a researcher's own functions may import under FormComposer's name. */

/* Tell whether a value can be given to a field, saying in the console why not if that is asked for. */
export function validateFieldValue(field, value, writeConsoleLog = false) {
  const fits = value === null || value === "" || isOfItsType(field, value);
  if (!fits && writeConsoleLog) console.warn(`The field ${field?.name} cannot hold`, value);
  return fits;
}

function isOfItsType(field, value) {
  const offered = (field?.options ?? []).map((option) => option.value);
  if (field?.takes === "text") return ["string", "number"].includes(typeof value);
  if (field?.takes === "marks") return typeof value === "object" && Object.keys(value).every((one) => offered.includes(one));
  if (field?.takes === "list") return Array.isArray(value) && value.every((one) => offered.includes(one));
  return offered.includes(value);
}
