import Primitives
import ServiceRuntime
import Testing

@testable import TapelineTool

/// What makes no sense, command by command. What a command says of it is tested with the command.
@Suite("Words that a command refuses in one line, before it does anything")
struct RefusedWordsTests {
    private static let refused: [(String, [String])] = [
        ("audit", ["--all --day 2026-11-20", "--to 2026-11-20", "--day 2026-13-01", "everything"]),
        ("audit", ["--from 2026-11-21 --to 2026-11-20", "--zone Asia/Tokyo --day today"]),
        ("bars", ["", "AAPL", "AAPL 1m 5m", "LONG 1m", "AAPL 1m --last 0", "--rewritten --chart"]),
        ("bars", ["AAPL 1m --chart --json", "AAPL 1m --as-of then", "AAPL 1m --uncertain"]),
        ("bars", ["--rewritten --from today --to yesterday", "AAPL 1m --source Ibkr"]),
        ("buckets", ["", "list", "export", "export a b", "import", "export - --json"]),
        ("buckets", ["export a --dry-run", "import a --force", "import a --json"]),
        ("database", ["", "list", "show db", "accept a b", "show --yes"]),
        ("demo", ["--seconds 1", "--seconds soon", "--keep=yes"]),
        ("dlq", ["", "fly", "list x", "show", "replay", "drop", "drop --yes", "export"]),
        ("dlq", ["export a b", "list --reason bad", "list --yes", "replay --all --from soon"]),
        ("dlq", ["replay --all --from beginning", "drop --all --file x", "export - --all"]),
        ("dlq", ["show a --all"]),
        ("doctor", ["all", "--service a", "--prometheus p:x", "--fix", "--feed binance"]),
        ("down", ["--add-source", "PROVIDER=binance"]),
        ("env", ["more", "nats"]),
        ("explain", ["", "AAPL", "AAPL 1m", "AAPL 1m sometime", "AAPL 1m -1m --source No"]),
        ("export", ["--from -1h", "depth --from -1h", "bars", "bars LONG --from -1h"]),
        ("export", ["bars --from sometime", "bars --from today --to yesterday"]),
        ("export", ["trades --series 1m --from -1h", "bars --from -1h --source a --source b"]),
        ("gaps", ["LONG", "--last many"]),
        ("graph", ["", "apply", "show a", "apply a b"]),
        ("groups", ["", "show", "list writer", "register", "register a b", "register Writer"]),
        ("groups", ["register a --reads news", "remove", "remove a --json", "list --yes"]),
        ("groups", ["remove a --reads ticks"]),
        ("latest", ["", "A,B", "LONG", "A --fresh 5", "A --fresh 0s", "A --fresh -1s", "A --csv"]),
        ("latest", ["A --series", "A --series a:b", "A --source X", "A --fresh 5s --fresh 6s"]),
        ("logs", ["--level loud", "--last -1", "--since 1h"]),
        ("may-i", ["", "stop a", "restart", "restart a b", "restart a --yes"]),
        ("may-i", ["restart a --to 1.4.0"]),
        ("member", ["", "list", "drain", "drain a b", "release", "drain a --timeout 5"]),
        ("member", ["drain a --wait --timeout 0", "drain a --group A", "drain a --reason LONG"]),
        ("member", ["release a --force", "release a --reason x", "drain a --yes"]),
        ("members", ["x"]),
        ("partition", ["", "off", "rebuild", "rebuild x", "rebuild 4096", "rebuild 3-"]),
        ("partition", ["rebuild 2-1", "rebuild 1,,2", "of", "of A B", "of LONG", "of A --flow"]),
        ("partition", ["of A --partitions 0", "of A --partitions 4097", "of A --partitions +4"]),
        ("partition", ["of A --partitions", "of A --json=yes"]),
        ("partition", ["of A --partitions=4 --partitions=5"]),
        ("position", ["", "shw", "show --yes", "show x", "accept --json", "show --input news"]),
        ("position", ["accept --group operator", "show --group gateway", "show --partition a"]),
        ("position", ["raise --json", "raise --partition 1", "accept --dry-run"]),
        ("prove", ["", "--to now", "--from -1m --to -1h", "--from seq:3 --to now"]),
        ("psql", ["--name"]),
        ("quality", ["", "--day soon", "--day today --silent 0"]),
        ("reconcile", ["", "--day soon", "--day today --tolerance -1", "--day today --source No"]),
        ("repair", ["", "AAPL", "AAPL --from -1h", "AAPL --from -1h --to -2h"]),
        ("repair", ["A B --from -2h --to -1h", "A --source X --from -2h --to -1h"]),
        ("repair", ["A --reason late --from -2h --to -1h", "A --note LONG --from -2h --to -1h"]),
        ("repair", ["A --from seq:4 --to now", "A --from -40d --to now"]),
        ("secrets", ["", "show", "list x", "rotate", "rotate a b", "rotate a --yes"]),
        ("setup", ["all", "--stream-bytes", "--yes", "--json=1"]),
        ("source", ["", "kill a", "retire", "retire A", "retire a b", "retire manual", "list a"]),
        ("source", ["retire a --json"]),
        ("spool", ["", "drop", "list x", "replay", "replay a b", "list --folder /x --name y"]),
        ("support-bundle", ["-o a.zip", "x", "--json"]),
        ("tail", ["--live --from -1m", "--live --to now", "--live --partition 1"]),
        ("tail", ["--live --control", "--live --source X", "--live --kind news"]),
        ("tail", ["--live --kind late-tick", "--from now --to -1m", "--from -1m --to -1m"]),
        ("tail", ["--bars --kind trade", "--zone", "--zone --from", "--zone New_York"]),
        ("tail", ["--zone ../../etc/passwd --from now", "--zone /etc/localtime --from now"]),
        ("tail", ["--zone America --from now", "--zone Asia/Tokyo"]),
        ("tail", ["--symbol A", "--partition -1", "--partition x", "--kind tick", "--limit 0"]),
        ("tail", ["--limit x", "--json --csv", "--to beginning", "--follow=1", "--jsn"]),
        ("tail", ["--name a --nats nats://b:1", "--from now --from now"]),
        ("tape", ["verify n1", "verify --node", "verify --rate 0", "verify --rate 20000"]),
        ("tape", ["verify --no-rate", "verfy"]),
        ("trace", ["", "AAPL", "AAPL soon", "ib/3/0", "ib/3/1 --kind trade", "A -1m --kind tick"]),
        ("trade", ["", "cancel --note n", "cancel ib/3/1", "bust ib/3/1 --note n"]),
        ("trade", ["cancel ib/3 --note n", "cancel ib/3/0 --note n", "cancel ib/3/1/2 --note n"]),
        ("trade", ["cancel /3/1 --note n", "cancel ib/-1/1 --note n"]),
        ("trade", ["cancel ib/99999999999/1 --note n"]),
        ("trade", ["cancel ib/3/99999999999999999999 --note n"]),
        ("trade", ["cancel ib/3/1 --price 1 --note n", "correct ib/3/1 --note n"]),
        ("trade", ["correct ib/3/1 --price x --note n", "correct ib/3/1 --size -1 --note n"]),
        ("trade", ["correct ib/3/1 --size 0.0000000001 --note n", "cancel ib/3/1 --note LONG"]),
        ("trade", ["restore ib/3/1 --size 1 --note n"]),
        ("up", ["--add-source=x", "PROVIDER=", "--keep"]),
        ("url", ["--json", "valkey", "nats nats"]),
        ("watch", ["x", "--interval 0", "--interval 9999", "--csv"]),
        ("watchlist", ["", "show", "list SPY", "list --note x", "add", "add --note x", "add SPY"]),
        ("watchlist", ["remove SPY", "add SPY --note LONG", "add SPY --note x --source No"]),
        ("watchlist", ["add SPY QQQ --provider-id 5 --note x"]),
        (
            "watchlist",
            ["add SPY --note x --exchnge SMART", "remove SPY --note x --exchange SMART"]
        ),
    ]

    /// Words with blanks or without letters.
    private static let odd = [
        ["audit", "--day", "20 November"], ["explain", "AAPL", "a b", "-1m"],
        ["gaps", "--source", ""], ["may-i", "upgrade", "a", "--to", ""],
        ["may-i", "upgrade", "a", "--to", "1.4.0 0a"],
        ["may-i", "upgrade", "a", "--to", "1.4.0 (0a"], ["member", "drain", "a b"],
        ["member", "drain", "a", "--reason", "two\nlines"], ["partition", "of", "a\tb"],
        ["partition", "rebuild", ""], ["quality", "--day", "today", ""],
        ["prove", "--from", "-1h", "--to", "now", "--series", "a b"],
        ["tail", ""], ["tail", "--source", "A B"],
        ["watchlist", "add", "SPY", "--note", "two\nlines"],
        ["watchlist", "add", "SPY\t", "--note", "x"],
    ]

    private static let calls: [[String]] =
        odd
        + refused.flatMap { command, lines in
            lines.map { line in
                [command]
                    + line.split(separator: " ").map {
                        $0 == "LONG" ? String(repeating: "x", count: 1_000) : String($0)
                    }
            }
        }

    @Test("what makes no sense is refused", arguments: calls)
    func refused(words: [String]) throws {
        let error = #expect(throws: ToolError.self, "\(words)") { try Commands.parse(words) }
        #expect(error?.exitCode == .usage)
        #expect(error?.description.contains("\n") == false, "\(words)")
    }
}
