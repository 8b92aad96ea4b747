import GraphLanguage
import MarketModel
import OperatorGraph
import StreamCore
import Testing
import YAMLFile

@Suite("Graph files")
struct GraphFileTests {
    private static let head = "version: 1\nname: g\nnodes:\n"

    private func nodes(_ lines: String...) throws -> [GraphNode] {
        try GraphFolder.read(Self.head + lines.map { "  \($0)\n" }.joined()).nodes
    }

    private static func problems(_ lines: String...) -> [String] { problems(lines) }

    private static func problems(_ lines: [String]) -> [String] {
        GraphFolder.problems(head + lines.map { "  \($0)\n" }.joined())
    }

    private static let bars = "bars: {operator: bars, input: trades, series: [1m]}"

    @Test("inputs stand before their users, whatever the order of the file")
    func order() throws {
        let nodes = try nodes(
            "b: {operator: bars, input: f, series: [1s]}",
            "f: {operator: filter, input: d, where: price > 0}",
            "d: {operator: deduplicate, input: trades, key: [id], ttl: 2s}")
        #expect(nodes.map(\.name) == ["d", "f", "b"])
        #expect(nodes.map(\.input) == [.ticks(.trade), .node(0), .node(1)])
    }

    @Test("sources may be grouped, and be silent for a time that the graph says")
    func sources() throws {
        let text =
            "version: 1\nname: g\nsilent_after: 5s\nsources:\n"
            + "  ibkr: {members: [ibkr-a, ibkr-b], time_resolution: 1s}\n"
            + "  alpaca: {members: [alp-1]}\nnodes:\n  \(Self.bars)\n"
            + "  w: {operator: breadth, scope: all, series: 1m, sources: [ibkr], "
            + "measures: [advance_decline]}\n"
        let graph = try GraphFolder.read(text)
        #expect(graph.silentAfter == 5_000_000_000)
        #expect(graph.groups.all.map(\.name.text) == ["ibkr", "alpaca"])
        for (source, owner) in [("ibkr-b", "ibkr"), ("ibkr", "ibkr"), ("alp-2", "alp-2")] {
            #expect(graph.groups.owner(of: try #require(SourceName(source))).text == owner)
        }
        guard case .breadth(let rule, _) = graph.nodes.last?.operation else {
            Issue.record("the last node is not breadth")
            return
        }
        #expect(rule.sources.map(\.text) == ["ibkr"])
        let usual = try GraphFolder.read(Self.head + "  \(Self.bars)\n")
        #expect(usual.silentAfter == GraphDefinition.silentAfterUsual)
        #expect(usual.groups == SourceGroups())
    }

    @Test(
        "mistakes in sources are reported",
        arguments: [
            ("sources: {ibkr: {}}", "write members or time_resolution"),
            ("sources: {ibkr: {members: [a b]}}", "is no name of a source"),
            ("sources: {a: {members: [x]}, b: {members: [x]}}", "of the group a already"),
            ("sources: {a: {members: [x, x]}}", "is there twice"),
            ("sources: {a: {members: [a, x]}}", "is a member in any case"),
            ("sources: {a: {members: [x]}, x: {members: [y]}}", "of the group a already"),
            ("sources: {x: {members: [y]}, a: {members: [x]}}", "is a group"),
            ("sources: {manual: {members: [x]}}", "what Tapeline itself puts on the tape"),
            ("sources: {universe: {members: [x]}}", "what Tapeline itself puts on the tape"),
            ("sources: {a: {members: [operator]}}", "what Tapeline itself puts on the tape"),
            ("silent_after: 1ms", "silent_after"),
        ])
    func wrongSources(line: String, problem: String) {
        let found = GraphFolder.problems(
            "version: 1\nname: g\n\(line)\nnodes:\n  \(Self.bars)\n")
        #expect(found.count == 1 && found.first?.contains(problem) == true, "\(found)")
    }

    @Test("breadth of a member is refused with its group, because nothing would count")
    func breadthOfMember() {
        let found = GraphFolder.problems(
            "version: 1\nname: g\nsources: {ibkr: {members: [ibkr-a, ibkr-b]}}\n"
                + "nodes:\n  \(Self.bars)\n"
                + "  w: {operator: breadth, scope: all, series: 1m, sources: [ibkr-b, other], "
                + "measures: [advance_decline]}\n")
        #expect(found.count == 1 && found.first?.contains("write ibkr") == true, "\(found)")
    }

    @Test("a series is what its keys say")
    func series() throws {
        let nodes = try nodes(
            "b:", "  operator: bars", "  input: trades", "  series:", "    - 5s",
            "    - {name: m, width: 1m, lateness: 30s, fill: {previous_close: 10}}",
            "    - {width: 2m, lateness: 0s}",
            "    - {name: slide, width: 5m, every: 1m}", "    - {name: t, ticks: 500}",
            "    - {name: v, volume: 0.5}", "    - {name: d, dollars: 1000000}",
            "    - {name: burst, inactivity: 250ms, lateness: 1s}",
            "    - {name: rth, session: nyse, lateness: 2h}",
            "    - {name: rth30, session: nyse, width: 30m}")
        guard case .bars(let rule, let calendar) = try #require(nodes.first).operation else {
            Issue.record("no bars")
            return
        }
        let found = rule.series.all.reduce(into: [:]) { $0[$1.name.text] = $1 }
        let second: Int64 = 1_000_000_000
        #expect(calendar == "nyse")
        #expect(found["5s"]?.window == .tumbling(width: 5 * second))
        #expect(found["5s"]?.lateness == BarSeries.latenessDefault)
        #expect(found["m"]?.lateness == 30 * second)
        #expect(found["m"]?.fill == .previousClose(max: 10))
        #expect(found["2m"]?.lateness == 0)
        #expect(found["slide"]?.window == .sliding(width: 300 * second, hop: 60 * second))
        #expect(found["t"]?.window == .ticks(500))
        #expect(found["t"]?.lateness == 0)
        #expect(found["v"]?.window == .volume(50_000_000))
        #expect(found["d"]?.window == .dollars(100_000_000_000_000))
        #expect(found["burst"]?.window == .inactivity(gap: second / 4))
        #expect(found["rth"]?.window == .session(width: nil))
        #expect(found["rth30"]?.window == .session(width: 1_800 * second))
    }

    @Test("rules of ticks are what their keys say")
    func rules() throws {
        let nodes = try nodes(
            "d: {operator: deduplicate, input: quotes, key: [bid, ask], "
                + "equal_ticks: drop, ttl: 500ms, entries: 9}",
            "t: {operator: throttle, input: d, rate: 5/500ms, per: partition}",
            "r: {operator: route, input: t, branches: {wide: ask - bid > 1, rest: else}}",
            "a: {operator: bars, input: r.wide, price: middle, series: [1m]}",
            "c: {operator: custom, input: r.rest, code: mine, settings: {z: NO, a: 1e3}}",
            "l: {operator: throttle, input: trades, rate: 10/s, live: {capacity: 100, "
                + "overflow: drop-newest}}")
        #expect(
            nodes[0].operation
                == .deduplicate(
                    DeduplicateRule(key: [.bid, .ask], timeToLive: 500_000_000, entriesMax: 9)))
        #expect(
            nodes[1].operation
                == .throttle(ThrottleRule(count: 5, per: 500_000_000, scope: .partition)))
        #expect(nodes[3].input == .branch(node: 2, branch: 0))
        #expect(
            nodes[4].operation
                == .custom(
                    name: "mine",
                    settings: [
                        GraphSetting(name: "a", value: "1e3"),
                        GraphSetting(name: "z", value: "NO"),
                    ]))
        #expect(
            nodes[5].live == LiveEdge(capacity: 100, overflow: .dropNewest, high: 80, low: 20))
    }

    @Test("a join stands behind both of its inputs, and its trades have the fields of quotes")
    func joins() throws {
        let text =
            Self.head
                + """
                  sides: {operator: route, input: both, branches: {up: price >= ask, \
                not: not paired, down: "price <= bid and bid_exchange != 'N'", rest: else}}
                  both: {operator: join, input: sane, with: wide.yes, max_age: 5s}
                  up: {operator: bars, input: sides.up, series: [1m]}
                  wide: {operator: route, input: quotes, branches: {yes: ask - bid > 1, no: else}}
                  sane: {operator: filter, input: trades, where: price > 0}

                """
        let graph = try GraphFolder.read(text)
        #expect(graph.nodes.map(\.name) == ["wide", "sane", "both", "sides", "up"])
        #expect(
            graph.nodes[2].operation
                == .join(JoinRule(maxAge: 5_000_000_000), with: .branch(node: 0, branch: 0)))
        guard case .route(let branches) = graph.nodes[3].operation else {
            Issue.record("no route")
            return
        }
        #expect(
            branches[0].condition?.instructions == [.field(.price), .field(.ask), .greaterOrEqual])
        #expect(branches[1].condition?.instructions == [.isPaired, .not])
        // A trade without a quote has no text of it, so it meets no comparison of one.
        #expect(branches[2].condition?.instructions.suffix(4) == [.not, .isPaired, .and, .and])
        let drawing = GraphDrawing(graph)
        #expect(drawing.text.contains("both: join, a quote counts for 5s\n"), "\(drawing.text)")
        #expect(drawing.text.contains("- with wide.yes\n"), "\(drawing.text)")
        #expect(drawing.mermaid.contains("n1 --> n2"), "\(drawing.mermaid)")
        #expect(drawing.mermaid.contains("n0 -- \"yes\" --> n2"), "\(drawing.mermaid)")
    }

    @Test("rules of bars are what their keys say")
    func barRules() throws {
        let nodes = try nodes(
            "b: {operator: bars, input: trades, conditions: us-stocks, odd_lots: volume-only, "
                + "series: [1m]}",
            "x: {operator: bars, input: trades, odd_lots: {rule: exclude, below: 0.5}, "
                + "series: [{name: x, width: 1m}]}",
            "h: {operator: resample, input: b, from: 1m, series: [1h]}",
            "s: {operator: aggregate, input: quotes, functions: [mean, spread], series: [10s]}",
            "w: {operator: breadth, scope: all, series: 1m, warm_up: provider, "
                + "measures: [advance_decline, {above_average: 50}]}",
            "l: {operator: bars, input: trades, odd_lots: {below: lot}, series: [3s]}",
            "m: {operator: bars, input: trades, odd_lots: {rule: exclude, below: lot}, "
                + "series: [4s]}")
        guard case .bars(let rule, _) = nodes[0].operation,
            case .bars(let other, _) = nodes[1].operation,
            case .aggregate(let stats, _) = nodes[3].operation
        else {
            Issue.record("other operators: \(nodes.map(\.name))")
            return
        }
        #expect(rule.conditions?.name == "us-stocks")
        #expect(rule.oddLots == .volumeOnly(below: .size(Quantity(raw: 10_000_000_000))))
        #expect(other.oddLots == .exclude(below: .size(Quantity(raw: 50_000_000))))
        let ofLots = nodes[4...5].compactMap { node -> OddLotRule? in
            if case .bars(let rule, _) = node.operation { rule.oddLots } else { nil }
        }
        #expect(ofLots == [.volumeOnly(below: .lot), .exclude(below: .lot)])
        #expect(stats.bars.field == .middle)
        #expect(stats.functions == [.mean, .spread])
        let minute = try #require(SeriesName("1m"))
        #expect(
            nodes[6].operation
                == .breadth(
                    BreadthRule(
                        series: minute, universe: [],
                        measures: [.advanceDecline, .aboveAverage(days: 50)], warmsUp: true),
                    calendar: nil))
        #expect(nodes[6].input == .node(0))
    }

    @Test(
        "every mistake is told with its place and what to do",
        arguments: WrongNodes.read(
            #"""
            b: {operator: barz, input: trades, series: [1s]}
              -> g.yaml:4:17: node "b": operator: "barz" is not known: did you mean bars?
            b: {operator: bars, input: trades, serie: [1s], series: [1s]}
              -> g.yaml:4:38: node b: "serie" is no key of it: did you mean series?
            b: {operator: bars, series: [1s]}
              -> g.yaml:4:6: node b: input is missing
            b: {operator: bars, input: trade, series: [1s]}
              -> did you mean trades?
            b: {operator: bars, input: quotes, series: [1s]}
              -> quotes have several prices
            b: {operator: bars, input: trades, price: bid, series: [1s]}
              -> g.yaml:4:45: node b: this price is one of quotes, and its input are trades
            b: {operator: bars, input: trades, series: [7s]}
              -> does not divide a day
            b: {operator: bars, input: trades, series: []}
              -> series is a list
            b: {operator: bars, input: trades, series: [1m, {name: x, width: 60s}]}
              -> have the same width
            b: {operator: bars, input: trades, series: [{name: x}]}
              -> windows are missing
            b: {operator: bars, input: trades, series: [{name: x, ticks: 5, volume: 5}]}
              -> do not go together
            b: {operator: bars, input: trades, series: [{name: x, width: 5m, every: 7s}]}
              -> every must divide
            b: {operator: bars, input: trades, series: [{name: x, ticks: 5, lateness: 1s}]}
              -> cannot wait so long
            b: {operator: bars, input: trades, series: [{name: x, ticks: 0}]}
              -> "0" is no whole number from 1
            b: {operator: bars, input: trades, series: [{name: x, volume: -1}]}
              -> is no number above 0
            b: {operator: bars, input: trades, series: [{name: x y, width: 1m}]}
              -> no name of a series
            b: {operator: bars, input: trades, series: [{name: x, session: nowhere}]}
              -> calendars/nowhere.yaml: cannot be opened
            b: {operator: bars, input: trades, overflow: drop-oldest, series: [1s]}
              -> bars follow from the tape alone
            b: {operator: bars, input: trades, odd_lots: none, series: [1s]}
              -> choose one of count, volume-only, exclude
            b: {operator: bars, input: trades, calendar: futures, series: [{name: x, session: \#
            nyse}]}
              -> are by one calendar, and here are futures and "nyse"
            B: {operator: bars, input: trades, series: [1s]}
              -> is no name of a node
            trades: {operator: bars, input: quotes, series: [1s]}
              -> choose another name
            b: {operator: aggregate, input: trades, functions: [spread], series: [1s]}
              -> spread is of quotes
            b: {operator: aggregate, input: quotes, functions: [vwap], series: [1s]}
              -> vwap is of trades
            b: {operator: bars, input: trades, price: spread, series: [1s]}
              -> one of quotes
            b: {operator: aggregate, input: trades, functions: [mean], series: [{name: t, ticks: \#
            5}]}
              -> series t ends by count
            b: {operator: aggregate, input: trades, functions: [mean], series: [1s, {name: v, \#
            volume: 5}]}
              -> series v ends by count
            b: {operator: aggregate, input: trades, functions: [mean], series: [{name: d, \#
            dollars: 5}]}
              -> series d ends by count
            b: {operator: deduplicate, input: trades, key: [id], ttl: 1s, entries: 2097153}
              -> entries
            b: {operator: custom, input: trades}
              -> code is missing
            b: [1]
              -> is a list: write {operator
            b:
              -> operator
            """#))
    func mistakes(wrong: WrongNodes) {
        let found = Self.problems(wrong.nodes)
        #expect(found.contains { $0.contains(wrong.complaint) }, "\(found)")
        #expect(found.allSatisfy { !$0.contains("\n") })
    }

    @Test(
        "every mistake between nodes is told",
        arguments: WrongNodes.read(
            #"""
            f: {operator: filter, input: trades, where: price > 0}
              -> g.yaml:5:3: node f: nobody takes its ticks
            f: {operator: filter, input: bars, where: price > 0}
              -> bars makes bars
            f: {operator: resample, input: trades, from: 1m, series: [1h]}
              -> takes bars
            f: {operator: resample, input: bars, from: 1s, series: [1h]}
              -> bars makes no "1s": there are 1m
            f: {operator: resample, input: bars, from: 1m, series: [30s]}
              -> no multiple of 1m
            f: {operator: resample, input: bars, from: 1m, series: [{name: t, ticks: 5}]}
              -> cannot be made of bars
            f: {operator: resample, input: bars, from: 1m, series: [{name: t, width: 1h, fill: \#
            {previous_close: 3}}]}
              -> only bars of ticks are filled
            f: {operator: bars, input: trades, series: [1m]}
              -> g.yaml:5:46: node f: the name 1m is taken in line 4
            f: {operator: filter, input: trades, where: "prise > 0"}
              -> g.yaml:5:48: node f: prise is no field or flag: did you mean price?
            f: {operator: filter, input: trades, where: price > 0 and bid > 1}
              -> g.yaml:5:61: node f: bid is a field of quotes
            f: {operator: deduplicate, input: quotes, key: [price], ttl: 2s}
              -> key: "price" is not known
            f: {operator: deduplicate, input: trades, key: [id], ttl: 2}
              -> is no time from
            f: {operator: deduplicate, input: trades, key: [time, price], ttl: 2s}
              -> g.yaml:5:50: node f: key: without id two ticks that are equal by chance count once
            f: {operator: deduplicate, input: quotes, key: [bid], equal_ticks: keep, ttl: 2s}
              -> equal_ticks: "keep" is not known: choose one of drop
            f: {operator: deduplicate, input: trades, key: [id], equal_ticks: drop, ttl: 2s}
              -> g.yaml:5:69: node f: equal_ticks is for a key without id
            f: {operator: throttle, input: trades, rate: fast}
              -> "fast" is no rate
            f: {operator: throttle, input: trades, rate: 10/d}
              -> is no rate
            f: {operator: join, input: trades, max_age: 5s}
              -> node f: with is missing
            f: {operator: join, input: trades, with: quotes}
              -> node f: max_age is missing
            f: {operator: join, input: trades, with: quotes, max_age: 2h}
              -> max_age
            f: {operator: join, input: quotes, with: trades, max_age: 5s}
              -> a join takes trades: write 'input: trades, with: quotes'
            f: {operator: join, input: trades, with: trades, max_age: 5s}
              -> g.yaml:5:44: node f: with takes quotes, and these are trades
            f: {operator: join, input: trades, with: bars, max_age: 5s}
              -> bars makes bars
            f: {operator: join, input: trades, with: quots, max_age: 5s}
              -> node f: with "quots" is no node: did you mean quotes?
            f: {operator: join, input: trades, with: f, max_age: 5s}
              -> leads back to it (f <- f)
            f: {operator: join, input: g, with: quotes, max_age: 5s}
            g: {operator: join, input: trades, with: quotes, max_age: 5s}
              -> node f: its trades were paired with quotes before
            f: {operator: bars, input: bars.live, series: [1s]}
              -> may drop ticks
            f: {operator: route, input: trades, branches: {a: else, b: price > 0}}
              -> put it last
            f: {operator: breadth, scope: all, series: 2m, measures: [advance_decline]}
              -> no node makes bars "2m": did you mean 1m?
            f: {operator: breadth, scope: all, series: 1m, measures: [{new_highs: 0}]}
              -> is no whole number from 1 to 400
            f: {operator: breadth, scope: all, series: 1m, warm_up: 20d, measures: \#
            [advance_decline]}
              -> warm_up: "20d" is not known
            f: {operator: breadth, scope: one, series: 1m, measures: [advance_decline]}
              -> scope: "one" is not known
            f: {operator: breadth, scope: all, series: 1m, universe: [A, A], measures: \#
            [advance_decline]}
              -> is there twice
            f: {operator: throttle, input: trades, rate: 1/s, live: {capacity: 10, overflow: \#
            forget}}
              -> overflow: "forget" is not known
            bars: {operator: bars, input: trades, series: [1s]}
              -> the key "bars" is in line 4
            """#))
    func between(wrong: WrongNodes) {
        let found = Self.problems([Self.bars] + wrong.nodes)
        #expect(found.contains { $0.contains(wrong.complaint) }, "\(found)")
    }

    @Test("a route is used by its branches")
    func branches() {
        let route = "r: {operator: route, input: trades, branches: {big: size > 9, rest: else}}"
        let found = Self.problems(
            route, "a: {operator: bars, input: r, series: [1s]}",
            "b: {operator: bars, input: r.small, series: [1m]}")
        #expect(found.count == 2, "\(found)")
        #expect(found.first?.contains("name a branch, as r.rest") == true)
        #expect(found.last?.contains("r has no branch \"small\": there are big, rest") == true)
    }

    @Test("a drawing has what a branch feeds one step below the route, with the branch's name")
    func drawnBranches() throws {
        let text = try GraphDrawing(
            GraphFolder.read(
                Self.head
                    + "  r: {operator: route, input: trades, "
                    + "branches: {big: size > 9, rest: else}}\n"
                    + "  f: {operator: filter, input: r.big, where: price > 1}\n"
                    + "  b: {operator: bars, input: f, series: [1m]}\n")
        ).text
        let starts = text.split(separator: "\n").compactMap { line in
            line.firstIndex(of: ":").map { String(line[..<$0]) }
        }
        #expect(starts.contains("  r") && starts.contains("    [big] f"), "\(text)")
        #expect(starts.contains("      b"), "\(text)")
    }

    @Test("a circle is told for each node in it, and for no other")
    func circle() {
        let found = Self.problems(
            "a: {operator: filter, input: c, where: price > 0}",
            "b: {operator: filter, input: a, where: price > 0}",
            "c: {operator: filter, input: b, where: price > 0}",
            "d: {operator: bars, input: c, series: [1s]}")
        #expect(found.count == 3, "\(found)")
        #expect(found.first?.contains("(a <- c <- b <- a): break the circle") == true, "\(found)")
    }

    @Test("nodes after a wrong one are checked by the ticks that it would pass")
    func afterWrong() {
        let found = Self.problems(
            "a: {operator: filter, input: quotes, where: bid_price >}",
            "b: {operator: throttle, input: a, rate: often}",
            "c: {operator: filter, input: b, where: size >> 100}",
            "d: {operator: bars, input: c, series: [1s]}")
        #expect(found.count == 4, "\(found)")
        for name in ["a", "b", "c", "d"] {
            #expect(found.contains { $0.contains("node \(name): ") }, "\(found)")
        }
    }

    @Test("all mistakes of a file are told at once, in order of their lines")
    func all() {
        let found = GraphFolder.problems(
            """
            version: 2
            names: g
            sources: {slow: {time_resolution: 5s}}
            calendars: {unused: calendars/nyse.yaml}
            nodes:
              f: {operator: filter, input: trades, where: "price >"}
              b: {operator: bars, input: f, series: [1s, {width: 1m, fill: 3}]}
              c: {operator: bars, input: gone, series: [2m]}
            """)
        let lines = found.compactMap { $0.split(separator: ":").dropFirst().first.map(String.init) }
        #expect(lines == ["1", "1", "2", "4", "6", "7", "7", "8"], "\(found)")
        #expect(found.contains { $0.contains("series 1s is finer than the time of source") })
    }

    @Test("mistakes of calendars and tables name their own file")
    func otherFiles() {
        let graph =
            Self.head
            + "  b: {operator: bars, input: trades, conditions: c, "
            + "series: [{name: s, session: k}]}\n"
        let found = GraphFolder.problems(
            graph,
            others: [
                "calendars/k.yaml": "version: 1\nzone: Nowhere/Land\nvalid: {from: 2024-01-01}\n",
                "conditions/c.yaml": "version: 1\ncodes: {TT: [], A: [lust]}\n",
            ])
        #expect(
            found.contains { $0.hasPrefix("conditions/c.yaml:2:9: \"TT\" is no code") }, "\(found)")
        #expect(found.contains { $0.hasPrefix("conditions/c.yaml:2:21: ") && $0.contains("last?") })
        #expect(found.contains { $0.hasPrefix("calendars/k.yaml:2:7: zone Nowhere/Land") })
        #expect(found.contains { $0.hasPrefix("calendars/k.yaml:3:8: valid: to is missing") })
    }

    @Test("names of custom code are checked where they are known")
    func custom() throws {
        let text =
            Self.head + "  \(Self.bars)\n  c: {operator: custom, input: trades, code: other}\n"
        _ = try GraphFile.read("g.yaml", GraphFolder.with(text, customOperators: ["other"]))
        #expect(throws: GraphProblems.self) {
            try GraphFile.read("g.yaml", GraphFolder.with(text, customOperators: ["mine"]))
        }
    }
}
