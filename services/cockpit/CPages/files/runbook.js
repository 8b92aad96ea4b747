// The script of the runbooks: what is above them lives.

import { start } from "./live.js";

start(() => {});
