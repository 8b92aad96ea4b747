/// The script of the page where people act.
enum ActionsScript {
    static let text = #"""
        import { startWith, age, isStale, span, put, doubt } from "./live.js";
        import { fill } from "./table.js";
        import { watchCopies } from "./copy.js";

        const $ = (id) => document.getElementById(id);
        const state = { person: "", on: false, armed: "", number: "", known: false };
        const stages = {
          asked: ["◌ under way", "warning"], done: ["✓ done", "good"],
          refused: ["✕ refused", "bad"], failed: ["✕ failed", "bad"],
        };

        // MARK: who

        async function askWho() {
          try {
            const answer = await fetch("me.json", { signal: AbortSignal.timeout(3000) });
            if (!answer.ok) return;
            const me = await answer.json();
            [state.person, state.on, state.known] = [me.person || "", me.on, true];
          } catch {
            // The next look asks again.
          }
          showWho();
        }

        function showWho() {
          if (!state.known) return;
          $("signin").hidden = !state.on || state.person !== "";
          $("leave").hidden = state.person === "";
          const words = !state.on
            ? ["Actions are switched off (COCKPIT_ACTIONS). The commands below can be copied.", ""]
            : state.person ? [`You are ${state.person}.`, "good"]
              : ["Nobody is signed in, so nothing can be carried out from here.", "warning"];
          put($("me"), ...words);
          arm("");
        }

        // MARK: the command

        const value = (id) => $(id).value.trim();
        const list = (id) => value(id).split(",").map((part) => part.trim()).filter(Boolean);
        const option = (name, text) => (text ? [`--${name}`, text] : []);

        const words = {
          add: () => [
            "watchlist", "add", ...list("symbols"), ...option("source", value("source")),
            ...list("more").flatMap((part) => {
              const [key, ...rest] = part.split("=");
              return [`--${key.trim().replaceAll("_", "-")}`, rest.join("=").trim()];
            }),
          ],
          remove: () => [
            "watchlist", "remove", ...list("symbols"), ...option("source", value("source")),
          ],
          repair: () => [
            "repair", value("symbol"), ...option("source", value("source")),
            ...option("from", value("from")), ...option("to", value("to")),
            ...option("reason", value("cause")),
          ],
          replay: () => {
            const chosen = [
              ...list("ids"), ...option("reason", value("kind")), ...option("sink", value("sink")),
            ];
            return ["dlq", "replay", ...(chosen.length ? chosen : ["--all"])];
          },
          drain: () => [
            "member", "drain", value("member"),
            ...list("groups").flatMap((group) => ["--group", group]),
            ...(value("force") ? ["--force"] : []),
          ],
          release: () => ["member", "release", value("member")],
        };
        const canTry = new Set(["repair", "replay"]);

        function quoted(word) {
          return /^[A-Za-z0-9_\-./:,@+=]+$/.test(word) ? word
            : `'${word.replaceAll("'", "'\\''")}'`;
        }

        // What a person who has no cockpit would type.
        function command(verb) {
          const extra = { add: ["--note"], remove: ["--note"], repair: ["--note"],
            drain: ["--reason"] }[verb];
          const why = extra ? [...extra, value("reason")] : [];
          return ["tapeline", ...words[verb](), ...why].map(quoted).join(" ");
        }

        function showForm() {
          const verb = $("verb").value;
          for (const part of document.querySelectorAll(".of")) {
            part.hidden = !part.dataset.of.split(" ").includes(verb);
          }
          $("try").hidden = !canTry.has(verb);
          $("command").value = command(verb);
          arm("");
        }

        // An action is carried out by the second press of its button.
        function arm(text) {
          state.armed = text;
          put($("go"), text ? "Confirm: carry it out" : "Carry it out");
          const isOff = state.known && (!state.on || !state.person);
          for (const id of ["go", "try"]) {
            if (isOff) $(id).setAttribute("aria-disabled", "true");
            else $(id).removeAttribute("aria-disabled");
          }
        }

        // MARK: sending

        async function send(list, reason) {
          if (!state.person) {
            put($("said"), state.on ? "Sign in first." : "Actions are switched off.", "bad");
            return;
          }
          put($("said"), "It is sent.", "warning");
          try {
            const answer = await fetch("act", {
              method: "POST", headers: { "Content-Type": "application/json" },
              body: JSON.stringify({ words: list, reason }), signal: AbortSignal.timeout(5000),
            });
            if (answer.status === 401) {
              state.person = "";
              showWho();
              put($("said"), "Sign in first: nothing was carried out.", "bad");
              return;
            }
            const news = await answer.json();
            if (news.refused) {
              put($("said"), `Refused: ${news.refused}.`, "bad");
              return;
            }
            state.number = news.number;
            put($("said"), "It is under way.", "warning");
          } catch {
            put($("said"), "Nobody knows whether it was sent: look at the records below.", "bad");
          }
        }

        $("may").addEventListener("submit", (event) => {
          event.preventDefault();
          send(["may-i", "restart", value("subject")], "");
        });
        $("try").addEventListener("click", () => {
          send([...words[$("verb").value](), "--dry-run"], value("reason"));
        });
        $("act").addEventListener("submit", (event) => {
          event.preventDefault();
          const text = command($("verb").value);
          if (!value("reason")) {
            put($("said"), "Say why, so that others understand it later.", "bad");
            $("reason").focus();
            return;
          }
          if (state.armed !== text) {
            arm(text);
            put($("said"), `Press it again to carry out: ${text}`, "warning");
            return;
          }
          arm("");
          send(words[$("verb").value](), value("reason"));
        });
        for (const kind of ["input", "change"]) $("act").addEventListener(kind, showForm);

        // MARK: what came of it

        const short = (time) => (time && time.length > 20 ? `${time.slice(0, 19)}Z` : time || "–");
        const stage = (item, isOld) => (isOld ? ["? not known", "unknown"]
          : stages[item.stage] || [item.stage, ""]);

        function showOwn(news) {
          const own = (news.sent || []).find((item) => item.number === state.number);
          if (!own || own.stage === "asked") return;
          state.number = "";
          const kinds = { done: "good", refused: "bad", failed: "bad" };
          put($("said"), `${stages[own.stage][0]}: ${own.lines.join(" ")}`, kinds[own.stage]);
        }

        function showCarrier(look, news) {
          const carrier = look && news.carrier;
          if (!carrier) return put($("carrier"), `Not known: ${doubt() || "no news"}.`, "unknown");
          if (!news.on) return put($("carrier"), "Actions are switched off.", "");
          if (!isStale(carrier)) {
            return put($("carrier"), "A process is there that carries actions out.", "good");
          }
          const why = doubt() || carrier.absence || "the answer is old";
          put($("carrier"), `Nobody carries actions out now: ${why}. Is 'tapeline actions serve' `
            + "running?", "bad");
        }

        function showHistory(look, news) {
          const history = look && news.history;
          const isOld = !history || isStale(history);
          put($("words"), isOld
            ? `Not known: ${doubt() || (history && history.absence) || "no news"}.`
            : `${news.items.length} actions are on record. Asked ${span(age(history.at))} ago.`,
          isOld ? "unknown" : "");
          fill($("items"), ((look && news.items) || []).map((item) => ({
            kind: isOld ? "stale" : "",
            cells: [short(item.time), item.person, item.origin, item.command, item.reason,
              stage(item, isOld), item.outcome || "–"],
          })));
        }

        // A link may say what is to be done: actions?do=drain&member=worker-3.
        function prefill() {
          const given = new URLSearchParams(location.search);
          const verb = given.get("do");
          if (verb && words[verb]) $("verb").value = verb;
          for (const [name, text] of given) {
            const field = $(name);
            if (name !== "do" && field && field.closest(".of, #may")) field.value = text;
          }
        }

        watchCopies($("said"));
        prefill();
        showForm();
        askWho();
        setInterval(() => { if (!state.known) askWho(); }, 2000);

        startWith("actions.json", (look, news) => {
          const isOld = !look || isStale(news);
          fill($("sent"), ((look && news.sent) || []).map((item) => ({
            kind: isOld ? "stale" : "",
            cells: [short(item.time), item.person, item.command, item.reason || "–",
              stage(item, isOld), item.lines.join(" ") || "–"],
          })));
          if (look) showOwn(news);
          showCarrier(look, news);
          showHistory(look, news);
        });

        """#
}
