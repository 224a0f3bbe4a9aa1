import { word } from "./word.js";

const show = (text) => (document.querySelector("#word").textContent = text);
show(word);
import.meta.hot.accept("./word.js", (module) => show(module.word));
