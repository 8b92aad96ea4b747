import Foundation
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline watchlist")
struct WatchlistTests {
    private func runWatchlist(_ bench: TailBench, _ arguments: [String]) throws -> Said {
        try Said(["watchlist"] + arguments, bench.tape.environment)
    }

    private func refusal(_ bench: TailBench, _ arguments: [String]) -> String {
        complaint { try runWatchlist(bench, arguments) }
    }

    private static func report(
        _ source: String = "ibkr", listed: [String] = ["SPY", "QQQ"], fixed: String? = nil
    ) throws -> WatchlistReport {
        var report = WatchlistReport(
            source: try #require(SourceName(source)), gateway: "gate-1",
            time: SystemClock().now(), providers: ["ibkr"], fixed: fixed)
        report.instruments = try listed.map {
            WatchlistReport.Instrument(try #require(Symbol($0)), .listed, .subscribed)
        }
        return report
    }

    /// Stores what a gateway of the source would report.
    @discardableResult
    private func seed(_ bench: TailBench, _ report: WatchlistReport) throws -> WatchlistStore {
        let store = try WatchlistStore(bench.tape.client, report.source)
        #expect(try store.write(report))
        return store
    }

    /// Returns the watchlist in the words of its entries: `+NVDA -SPY ~AMD`.
    private func words(_ list: Watchlist) -> String {
        list.sorted.map { symbol, entry in
            switch entry.change {
            case .added: "+\(symbol)"
            case .removed(let hidesListed): "\(hidesListed ? "-" : "~")\(symbol)"
            }
        }.joined(separator: " ")
    }

    // MARK: arguments

    @Test(
        "the options are the keys of the files; a stock is traded at SMART in USD",
        arguments: [
            ([], #"{"symbol":"X","currency":"USD","exchange":"SMART"}"#),
            (
                ["--exchange", "IBIS", "--currency=EUR", "--feeds", "quotes,bars"],
                #"{"symbol":"X","currency":"EUR","exchange":"IBIS","feeds":["quotes","bars"]}"#
            ),
            (
                ["--security", "option", "--strike", "450.5", "--expiry", "20261218"],
                #"{"symbol":"X","expiry":"20261218","security":"option","strike":450.5}"#
            ),
            (
                ["--lot", "4e1", "--primary-exchange", "ARCA"],
                #"{"symbol":"X","currency":"USD","exchange":"SMART","lot":"4e1","#
                    + #""primary_exchange":"ARCA"}"#
            ),
        ])
    func definition(options: [String], json: String) throws {
        let command = try WatchlistCommand.parse(["add", "X", "--note", "n"] + options)
        #expect(command.definition(of: try #require(Symbol("X"))) == json)
        let parsed = try Commands.parse(["watchlist", "add", "X", "--note", "n"] + options)
        #expect(parsed as? WatchlistCommand == command)
    }

    // MARK: decisions

    /// Watchlist, command (`+`: add, `-`: remove), what it becomes (`nil`: refused), and outcomes.
    /// The own list is SPY and QQQ.
    private static let edits: [(String, String, String?, String)] = [
        ("", "+NVDA", "+NVDA", "added"),
        ("+NVDA", "+NVDA +AMD", "+AMD +NVDA", "unchanged added"),
        ("", "+SPY", "", "unchanged"),
        ("", "-SPY", "-SPY", "removed"),
        ("-SPY", "-SPY", "-SPY", "unchanged"),
        ("-SPY", "+SPY", "", "restored"),
        ("+NVDA", "-NVDA", "~NVDA", "removed"),
        ("~NVDA", "-NVDA", "~NVDA", "unchanged"),
        ("~NVDA", "+NVDA", "+NVDA", "added"),
        // The files have it since it was added: it is hidden there.
        ("+SPY", "-SPY", "-SPY", "removed"),
        ("", "-SPX", nil, "did you mean SPY?"),
        ("+NVDA", "-GLD", nil, "'tapeline watchlist list' shows"),
        ("", "-SPY -QQQ", nil, "no instrument left"),
        ("+NVDA", "-SPY -QQQ", "+NVDA -QQQ -SPY", "removed removed"),
        ("+NVDA -QQQ -SPY", "-NVDA", nil, "no instrument left"),
    ]

    @Test("each word of a person has one effect", arguments: edits.indices)
    func edited(index: Int) throws {
        let (before, words, after, outcomes) = Self.edits[index]
        let edit = WatchlistEdit(
            report: try Self.report(), requester: "anna@desk", time: Timestamp(nanoseconds: 7),
            note: "why")
        var list = Watchlist()
        for word in before.split(separator: " ") {
            let change: Watchlist.Change =
                word.hasPrefix("+")
                ? .added(definition: "d") : .removed(hidesListed: word.hasPrefix("-"))
            list.set(
                try #require(Symbol(String(word.dropFirst()))),
                Watchlist.Entry(change, by: "b", at: Timestamp(nanoseconds: 1), note: ""))
        }
        let symbols = try words.split(separator: " ").map {
            try #require(Symbol(String($0.dropFirst())))
        }
        do throws(ToolError) {
            let results =
                words.hasPrefix("+")
                ? try edit.add(symbols.map { ($0, "d") }, hasFields: false, to: &list)
                : try edit.remove(symbols, from: &list)
            #expect(results.map(\.outcome.rawValue).joined(separator: " ") == outcomes)
            #expect(self.words(list) == after)
        } catch {
            #expect(after == nil && "\(error)".contains(outcomes), "\(error)")
        }
    }

    @Test("fields for an instrument of the own list are refused; what has no effect makes room")
    func limits() throws {
        let edit = WatchlistEdit(
            report: try Self.report(), requester: "a", time: Timestamp(nanoseconds: 7), note: "")
        var list = Watchlist()
        let spy = try #require(Symbol("SPY"))
        #expect(throws: ToolError.self) {
            try edit.add([(spy, "d")], hasFields: true, to: &list)
        }
        for number in 0..<Watchlist.entriesMax + 1 {
            let isIdle = number.isMultiple(of: 2)
            list.set(
                try #require(Symbol("S\(number)")),
                Watchlist.Entry(
                    isIdle ? .removed(hidesListed: false) : .added(definition: "d"), by: "a",
                    at: Timestamp(nanoseconds: Int64(number)), note: ""))
        }
        #expect(list.problem?.contains("1024 are the most") == true)
        list.trim()
        #expect(list.problem == nil && list.entries.count == Watchlist.entriesMax)
        let (oldest, next) = (try #require(Symbol("S0")), try #require(Symbol("S2")))
        #expect(list[oldest] == nil && list[next] != nil)
        for (symbol, entry) in list.sorted {
            var entry = entry
            entry.note = String(repeating: "n", count: Watchlist.noteBytesMax)
            list.set(symbol, entry)
        }
        #expect(list.problem?.contains("bytes") == true)
    }

    // MARK: on a server

    @Test("added, listed and removed, with who, when and why, for people and for programs")
    func all() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "watchlist_a")
        #expect(try runWatchlist(bench, ["list"]).output.hasPrefix("no gateway of this release"))
        let store = try seed(bench, Self.report())
        let added = try runWatchlist(bench, ["add", "NVDA", "AMD", "--note", "asked by the desk"])
        #expect(added.code == .success)
        #expect(added.output.hasPrefix("NVDA is added to source ibkr\nAMD is added"))
        let (small, spy) = (try #require(Symbol("spy")), try #require(Symbol("SPY")))
        let report = try Self.report()
        #expect(report.sameLetters(as: small) == spy && report.sameLetters(as: spy) == nil)
        #expect(
            try runWatchlist(bench, ["remove", "QQQ", "AMD", "--note", "too quiet", "--json"])
                .output
                == #"{"source":"ibkr","symbols":[{"symbol":"QQQ","outcome":"removed"},"#
                + #"{"symbol":"AMD","outcome":"removed"}]}"# + "\n")
        let list = try store.read().value
        #expect(words(list) == "~AMD +NVDA -QQQ")
        #expect(added.output.contains("the gateway follows within seconds"))
        let nvda = try #require(Symbol("NVDA"))
        let entry = try #require(list[nvda])
        #expect(entry.requester == Requester.name(bytesMax: 100))
        #expect(entry.note == "asked by the desk" && entry.time.isDefined)

        let lines = try runWatchlist(bench, ["list"]).output.split(separator: "\n")
        #expect(lines[0].hasPrefix("source ibkr (ibkr), as gateway gate-1 reported "))
        let cells = lines.dropFirst(2).map { line in
            line.split(separator: " ").prefix(3).joined(separator: " ")
        }
        #expect(
            cells == [
                "AMD removed -", "NVDA added waiting", "QQQ removed ending", "SPY file subscribed",
            ], "\(lines)")
        #expect(lines[3].contains("asked by the desk; its gateway does not have it yet"))
        let json = try runWatchlist(bench, ["list", "--json"]).json()
        let rows = try #require(json["sources"]?.array?.first?["instruments"]?.array)
        #expect(rows.map { $0["symbol"]?.string } == ["AMD", "NVDA", "QQQ", "SPY"])
        #expect(rows[1]["note"]?.string == "asked by the desk" && rows[3]["who"] == nil)
        #expect(
            try runWatchlist(bench, ["remove", "QQQ", "--note", "x"]).output
                .contains("removed from source ibkr already"))
    }

    @Test("what is wrong is refused before anything is written, with what there is instead")
    func wrong() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "watchlist_b")
        #expect(refusal(bench, ["add", "X", "--note", "x"]).contains("start one"))
        let store = try seed(bench, Self.report())
        try seed(bench, Self.report("rec", fixed: "replay delivers a recording"))
        for (words, problem) in [
            ("add X --source other", "there are ibkr, rec"),
            ("remove X --source rec", "source rec cannot be changed: replay delivers a recording"),
            ("add X Y --security option --lot no", "exchange is missing"),
            ("add X Y --security option --lot no", "nothing was changed"),
            ("add X --providers other", "nobody delivers X"),
            ("remove SPX", "did you mean SPY?"),
        ] {
            let words = words.split(separator: " ").map(String.init) + ["--note", "x"]
            #expect(refusal(bench, words).contains(problem))
        }
        #expect(try store.read() == WatchlistStore.Stored())
        try seed(bench, Self.report("two"))
        #expect(
            refusal(bench, ["add", "X", "--note", "x"]).contains("--source NAME"))
        var bySymbol = try Self.report("synthetic")
        bySymbol.isBySymbol = true
        try seed(bench, bySymbol)
        #expect(
            refusal(
                bench,
                ["add", "X", "--source", "synthetic", "--exchange", "SMART", "--note", "x"]
            ).contains("leave --exchange out"))
        let lines = try runWatchlist(bench, ["list", "--source", "rec"]).output
        #expect(lines.contains("no list to change: replay delivers a recording"))
    }

    private final class Failures: Sendable {
        let lines = Mutex<[String]>([])
    }

    @Test("what two people add at the same time is both there")
    func together() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "watchlist_c")
        let store = try seed(bench, Self.report())
        let failures = Failures()
        let people = try ["A", "B"].map { name in
            try ServiceThread(name: name) {
                for number in 0..<6 {
                    do {
                        _ = try runWatchlist(bench, ["add", "\(name)\(number)", "--note", name])
                    } catch {
                        failures.lines.withLock { $0.append("\(error)") }
                    }
                }
            }
        }
        for person in people { person.join() }
        #expect(failures.lines.withLock { $0 }.isEmpty)
        let symbols = try store.read().value.sorted.map(\.symbol.text)
        #expect(symbols == ["A", "B"].flatMap { name in (0..<6).map { "\(name)\($0)" } })
    }

    @Test("a gateway that has said nothing for long is named, and what is added waits for it")
    func silent() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "watchlist_f")
        var report = try Self.report()
        report.time = report.time.advanced(byNanoseconds: -3_600_000_000_000)
        try seed(bench, report)
        let silence = "its gateway has said nothing for 60 min"
        #expect(try runWatchlist(bench, ["add", "X", "--note", "x"]).output.contains(silence))
        let lines = try runWatchlist(bench, ["list"]).output.split(separator: "\n")
        #expect(lines[1].hasPrefix(silence) && lines.contains { $0.contains("waiting") })
    }

    @Test("a watchlist that a newer release wrote, or that is damaged, is not written over")
    func newer() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "watchlist_d")
        let store = try seed(bench, Self.report())
        let bucket = try #require(
            try bench.tape.client.jetStream.bucketAsFound("watchlist_d_sources"))
        _ = try bucket.create(store.key, Array(#"{"v":2,"entries":[]}"#.utf8))
        #expect(
            refusal(bench, ["add", "X", "--note", "x"]).contains("a newer release wrote it"))
        let revision = try store.read().revision
        _ = try bucket.put(store.key, Array("nonsense".utf8), expected: revision)
        #expect(
            refusal(bench, ["add", "X", "--note", "x"])
                .contains("nats kv del watchlist_d_sources watchlist.ibkr.wanted"))
        #expect(try runWatchlist(bench, ["list"]).output.contains("problem: the record:"))
    }

    @Test("the shipped gateway delivers what the command adds, and ends what it removes")
    func gateway() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "watchlist_e")
        let folder = try TemporaryFolder("gateway")
        let process = try ServerProcess(
            ProductPrograms.path("provider-gateway"), [],
            environment: bench.tape.environment.merging(
                [
                    "SYNTHETIC_SYMBOLS": "AAPL,MSFT", "SYNTHETIC_RATE": "200", "OPS_PORT": "0",
                    "MDS_MEMBER": "gate-1",
                ].merging(ProductPrograms.profile("provider-gateway")) { $1 }
            ) { $1 },
            logPath: folder.file("gateway.log"))
        func rows() throws -> [String: String] {
            let json = try runWatchlist(bench, ["list", "--json"]).json()
            let rows = json["sources"]?.array?.first?["instruments"]?.array ?? []
            return Dictionary(
                uniqueKeysWithValues: rows.map {
                    (
                        $0["symbol"]?.string ?? "",
                        "\($0["from"]?.string ?? "") \($0["state"]?.string ?? "")"
                    )
                })
        }
        #expect(
            try eventually { try rows()["AAPL"] == "settings subscribed" }, "\(process.log)")
        _ = try runWatchlist(bench, ["add", "NVDA", "--note", "for the desk"])
        #expect(try eventually { try rows()["NVDA"] == "added subscribed" }, "\(process.log)")
        #expect(
            try bench.tail(["NVDA", "--json", "--from", "beginning", "--limit", "5"])
                .lines.count == 5)
        _ = try runWatchlist(bench, ["remove", "AAPL", "NVDA", "--note", "no more"])
        #expect(
            try eventually {
                try rows() == [
                    "AAPL": "removed ", "NVDA": "removed ", "MSFT": "settings subscribed",
                ]
            }, "\(process.log)")
        process.signal(SIGTERM)
        #expect(process.waitUntilExit() == 0, "\(process.log)")
    }
}
