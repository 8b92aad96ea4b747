/// The page where people act: what is asked for, what came of it, and who did what before.
enum ActionsPage {
    static let html = PageFrame.html(
        "Actions", current: "Actions", script: "actions.js",
        """
        <section aria-labelledby="who-head">
        <h2 id="who-head">Who are you?</h2>
        <p id="me" class="unknown">Not known: waiting for the first news.</p>
        <form id="signin" method="post" action="session" hidden>
        <p><label for="token">Your token</label><br>
        <input id="token" name="token" type="password" autocomplete="current-password" required>
        <input name="key" type="hidden">
        <button type="submit">Sign in</button></p>
        </form>
        <form id="leave" method="post" action="leave" hidden>
        <p><button type="submit">Sign out</button></p>
        </form>
        </section>
        <section aria-labelledby="may-head">
        <h2 id="may-head">May I restart it?</h2>
        <form id="may">
        <p><label for="subject">Name of a process or of a group, like operator</label><br>
        <input id="subject" type="text" autocomplete="off" spellcheck="false" required></p>
        <p><label for="release-to">For an upgrade the new release, like 1.4.0</label><br>
        <input id="release-to" type="text" autocomplete="off" spellcheck="false">
        <button type="submit">Ask</button></p>
        </form>
        <p>The answer is YES or NO with its reasons. The restart itself is a command of your
        supervisor: drain the process here first, restart it, and release it.</p>
        </section>
        <section aria-labelledby="act-head">
        <h2 id="act-head">What is to be done?</h2>
        <p id="carrier" class="unknown">Not known: waiting for the first news.</p>
        <form id="act">
        <p><label for="verb">Action</label><br>
        <select id="verb">
        <option value="add">add instruments</option>
        <option value="remove">remove instruments</option>
        <option value="repair">repair bars</option>
        <option value="replay">replay dead letters</option>
        <option value="drain">drain a member</option>
        <option value="release">release a member</option>
        </select></p>
        \(fields)
        <p class="of" data-of="add remove repair replay drain release">
        <label for="reason">Why</label><br>
        <input id="reason" class="command" type="text" maxlength="200" autocomplete="off"></p>
        <p><label for="command">The command that does the same</label><br>
        <input id="command" class="command" type="text" readonly>
        <button type="button" data-copies="command">Copy the command</button></p>
        <p><button id="try" type="button">Try it, change nothing</button>
        <button id="go" type="submit">Carry it out</button></p>
        <p id="said" role="status"></p>
        </form>
        </section>
        <section aria-labelledby="sent-head">
        <h2 id="sent-head">What came of it?</h2>
        <p id="words" class="unknown">Not known: waiting for the first news.</p>
        \(PageFrame.table(
            "sent", "Asked for at this cockpit since its start",
            ["When", "Who", "Command", "Why", "State", "Outcome"]))
        \(PageFrame.table(
            "items", "On record in the database",
            ["When", "Who", "From where", "Command", "Why", "State", "Outcome"]))
        </section>
        """)

    private static func field(
        _ id: String, _ verbs: String, _ label: String, _ input: String
    ) -> String {
        "<p class=\"of\" data-of=\"\(verbs)\"><label for=\"\(id)\">\(label)</label><br>\(input)</p>"
    }

    private static func text(_ id: String, _ verbs: String, _ label: String) -> String {
        field(
            id, verbs, label,
            "<input id=\"\(id)\" type=\"text\" autocomplete=\"off\" spellcheck=\"false\">")
    }

    private static func choice(
        _ id: String, _ verbs: String, _ label: String, _ options: [(String, String)]
    ) -> String {
        let list = options.map { "<option value=\"\($0.0)\">\($0.1)</option>" }.joined()
        return field(id, verbs, label, "<select id=\"\(id)\">\(list)</select>")
    }

    private static let fields = [
        text("symbols", "add remove", "Symbols, comma-separated"),
        text("symbol", "repair", "Symbol"),
        text("source", "add remove repair", "Source; empty: the only one, or all"),
        text("more", "add", "Fields of the contract, like security=FUT, exchange=CME"),
        text("from", "repair", "From, like 2026-11-27T14:30:00Z or -2h"),
        text("to", "repair", "To, like now"),
        choice(
            "cause", "repair", "Reason of the new versions",
            ["repair", "bust", "gap", "backfill"].map { ($0, $0) }),
        text("ids", "replay", "Letters by their ids, comma-separated"),
        choice(
            "kind", "replay", "Reason of the letters",
            [("", "any"), ("data", "data"), ("out_of_range", "out_of_range")]),
        text("sink", "replay", "Table of the letters; empty: any"),
        choice(
            "all", "replay", "All letters", [("", "only those that are chosen"), ("--all", "all")]),
        text("member", "drain release", "Name of the member"),
        text("groups", "drain", "Groups, comma-separated; empty: all of its process"),
        choice(
            "force", "drain", "If nobody else can own its partitions",
            [("", "refuse"), ("--force", "drain it all the same")]),
    ].joined(separator: "\n")
}
