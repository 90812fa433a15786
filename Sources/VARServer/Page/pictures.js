// Pictures that come from files, the clipboard or other windows.

const readTypes = ["image/png", "image/jpeg", "image/webp"];
const maximumBytes = 8e6;
const maximumSide = 2048;

/** The files of pictures among what was dropped or pasted. */
export function files(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}

/** A picture that the server reads: the file as it is where it can be, else drawn anew. */
export async function readable(file) {
  if (readTypes.includes(file.type) && file.size <= maximumBytes) return file;
  const bitmap = await createImageBitmap(file);
  const factor = Math.min(1, maximumSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * factor));
  canvas.height = Math.max(1, Math.round(bitmap.height * factor));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error())), "image/jpeg", 0.92);
  });
}

/** The picture as a data: address. */
export function address(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** An element that shows a picture until another one takes its place. */
export function image(blob, text) {
  const element = document.createElement("img");
  element.alt = text;
  show(element, blob);
  return element;
}

/** Shows another picture in an element. */
export function show(element, blob) {
  const address = URL.createObjectURL(blob);
  element.onload = element.onerror = () => URL.revokeObjectURL(address);
  element.src = address;
}
