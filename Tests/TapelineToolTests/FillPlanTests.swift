import Membership
import Primitives
import StoreSinks
import Testing

@testable import TapelineTool

@Suite("What a store is filled with") struct FillPlanTests {
    private static let lane = FillLane(input: "ticks", partition: 3, source: "test")

    struct Case: Sendable {
        let name: String
        let own: FillAccount
        let other: FillAccount
        /// The ordinals of the stretches, and those of them that the other store lacks, too.
        let filled: [ClosedRange<Int64>]
        var lacking: [ClosedRange<Int64>] = []
        var missing: Int64
    }

    private static func account(
        _ ordinals: ClosedRange<Int64>, _ gaps: ClosedRange<Int64>...
    ) -> FillAccount {
        FillAccount(first: ordinals.lowerBound, last: ordinals.upperBound, gaps: gaps)
    }

    static let cases = [
        Case(
            name: "nothing is missing", own: account(1...100), other: account(1...90),
            filled: [], missing: 0),
        Case(
            name: "a hole", own: account(1...100, 20...50), other: account(1...120),
            filled: [20...50], missing: 31),
        Case(
            name: "a beginning and a hole", own: account(41...100, 60...69),
            other: account(1...120), filled: [1...40, 60...69], missing: 50),
        Case(
            name: "the other has not read all of it yet", own: account(1...100, 20...50),
            other: account(1...30), filled: [20...30], missing: 31),
        Case(
            name: "the other has read nothing of the beginning's end yet", own: account(41...100),
            other: account(1...30), filled: [], missing: 40),
        Case(
            name: "the other begins later, too", own: account(41...100), other: account(11...120),
            filled: [11...40], missing: 40),
        Case(
            name: "holes of the other in a hole stay", own: account(1...100, 20...50),
            other: account(1...120, 10...21, 30...31, 50...60), filled: [22...29, 32...49],
            missing: 31),
        Case(
            name: "holes of the other in a beginning become named", own: account(41...100),
            other: account(1...120, 10...12, 40...44), filled: [1...40],
            lacking: [10...12, 40...40], missing: 40),
    ]

    @Test(
        "of a store without transactions, what its tables name and what was copied make the account"
    )
    func withoutTransactions() {
        let own = Self.account(41...100)
        var named = FilledStore.Named(
            gaps: [50...69, 60...79, 90...120], filled: [55...59, 60...64, 21...40],
            lacking: [11...20])
        var found = own.with(named, owed: [85...86, 87...88])
        #expect(found.first == 11 && found.last == 100)
        #expect(found.gaps == [11...20, 50...54, 65...79, 90...100])
        #expect(found.unready == [85...88] && found.waiting == 4)
        // The writer has named it while the books were read.
        let late = own.with(FilledStore.Named(gaps: [86...86]), owed: [85...88])
        #expect(late.gaps == [86...86] && late.unready == [85...85, 87...88])
        // What was copied elsewhere moves no beginning.
        named.lacking = []
        named.filled = [1...10]
        found = own.with(named, owed: [])
        #expect(found.first == 41)
        #expect([5...6, 1...2, 3...4, 9...9].joinedRanges == [1...6, 9...9])
    }

    @Test("the record of a store without transactions names the database with its rows")
    func database() throws {
        func kept(_ database: String) throws -> FilledStore.Kept? {
            let text = #"{"v":1,"mark":"{\"v\":1,\"store\":\"store-b\"}"\#(database)}"#
            return try FilledStore.Kept(VersionedJSON.read(Array(text.utf8), upTo: 1))
        }
        let found = try #require(try kept(#","database":"x""#))
        #expect(found.store == "store-b" && found.isIn("x") && !found.isIn("y") && !found.isIn(""))
        #expect(try kept("")?.store == nil)
    }

    @Test("rows for a table that the store does not have are refused in one line")
    func missingTables() throws {
        let store = try #require(GroupName("store-b"))
        let rows = FillTable.all.filter { FilledTable.all[$0.name] != nil }.map {
            let row = FillRows.Row(ordinal: 1, time: 1, received: 1, series: nil, text: "{}")
            return FillRows(table: $0, rows: $0.name == "trade_rows" ? [row] : [])
        }
        #expect(FilledStore.problem(of: rows, ["trades"], store) == nil)
        let problem = try #require(FilledStore.problem(of: rows, ["quotes"], store))
        #expect(problem.hasPrefix("store-b has no table trades, and there are rows for it"))
    }

    @Test("what a store owes is read from its record")
    func owed() throws {
        let text = #"""
            {"v":1,"mark":"{\"v\":1,\"store\":\"store-b\"}","database":"x","owed":[
            {"source":"a","epoch":2,"first_ordinal":3,"lengths":[7,2,1]},
            {"source":"a","epoch":3,"first_ordinal":20,"lengths":[1]}]}
            """#
        func kept(_ text: String) throws -> FilledStore.Kept? {
            try FilledStore.Kept(VersionedJSON.read(Array(text.utf8), upTo: 1))
        }
        #expect(try kept(text)?.owed == ["a": [3...9, 12...12, 20...20]])
        #expect(try kept(text.replacing("[7,2,1]", with: "[7,2]")) == nil)
    }

    @Test("gaps and beginnings are filled as far as the other store goes", arguments: cases)
    func stretches(_ given: Case) {
        let plan = FillPlan(
            of: [Self.lane: given.own], from: [Self.lane: given.other],
            inputs: ["ticks"])
        let stretches = plan.missing.flatMap(\.stretches)
        #expect(stretches.map(\.ordinals) == given.filled, "\(given.name)")
        #expect(stretches.flatMap(\.lacking) == given.lacking, "\(given.name)")
        #expect(plan.missing.reduce(0) { $0 + $1.ordinals } == given.missing, "\(given.name)")
    }

    @Test("gaps that are near each other are filled in one step, and others are not touched")
    func near() throws {
        let odd: [Int64] = (0..<1_000).map { 2 * $0 + 1 }
        let gaps: [ClosedRange<Int64>] = odd.map { $0...$0 } + [5_000...5_009]
        var own = Self.account(1...9_000)
        own.gaps = gaps
        let other = Self.account(1...9_000, 11...13)
        func stretches(between most: Int64) -> [FillPlan.Stretch] {
            FillPlan(
                of: [Self.lane: own], from: [Self.lane: other], inputs: ["ticks"], between: most
            ).missing.flatMap(\.stretches)
        }
        #expect(stretches(between: 0).count == 999)
        let joined = stretches(between: 2_000)
        #expect(joined.map(\.ordinals) == [1...1_999, 5_000...5_009])
        let step = try #require(joined.first)
        #expect(step.parts(of: 20_000) == [step] && step.wanted == 998)
        #expect(!step.has(2) && !step.has(11) && !step.has(13) && step.has(15))
        #expect(step.parts(of: 1_000).map(\.wanted) == [498, 500])
        #expect(step.rest(from: step.parts(of: 1_000)[1]).wanted == 500)
        // What the other store has no row of stays named, and nothing else.
        let missing: Set<Int64> = [11, 13, 77]
        let rows: [Int64] = odd.filter { !missing.contains($0) }
        let outcome = FillOutcome(step, rows: rows)
        #expect(outcome.filled == 997 && outcome.named == [77...77])
        let copied: [ClosedRange<Int64>] = rows.map { $0...$0 }
        #expect(step.without(outcome.named) == copied)
        #expect(FillOutcome.isExplained(step, rows: rows, 1))
        #expect(!FillOutcome.isExplained(step, rows: rows, 0))
        #expect(!FillOutcome.isExplained(step, rows: [1, 2], 2_000))
    }

    @Test("a source that only one of them knows is not filled, and is named")
    func unknown() {
        let other = FillLane(input: "ticks", partition: 0, source: "test")
        let bars = FillLane(input: "bars", partition: 0, source: "operator")
        func plan(_ inputs: Set<String>) -> FillPlan {
            FillPlan(
                of: [Self.lane: Self.account(5...9)],
                from: [other: Self.account(1...9), bars: Self.account(1...9)], inputs: inputs)
        }
        #expect(plan(["ticks"]).unknown == [other])
        #expect(plan(["ticks", "bars"]).unknown == [bars, other], "it has read no bars yet")
        let missing = plan(["ticks"]).missing
        #expect(missing.map(\.ordinals) == [4] && missing[0].stretches.isEmpty)
    }

    @Test("what a group of tables has lost is filled for it alone, and later what cannot be yet")
    func holes() {
        var own = Self.account(1...100, 80...89)
        own.holes = [.ticks: [20...50, 60...60], .rest: [45...55]]
        own.waiting = 7
        var other = Self.account(1...120, 20...24)
        other.unready = [48...49]
        let plan = FillPlan(of: [Self.lane: own], from: [Self.lane: other], inputs: ["ticks"])
        let stretches = plan.missing.flatMap(\.stretches)
        #expect(
            stretches.map(\.ordinals) == [80...89, 45...47, 50...55, 25...47, 50...50, 60...60])
        #expect(stretches.map(\.group) == [nil, .rest, .rest, .ticks, .ticks, .ticks])
        #expect(plan.missing.map(\.ordinals) == [60] && plan.missing.map(\.waiting) == [7])
        #expect(stretches[3].parts(of: 9).map(\.group) == [.ticks, .ticks, .ticks])
        #expect(stretches[3].rest(from: stretches[3].parts(of: 9)[1]).group == .ticks)
        let step = FillOutcome(stretches[2], rows: [50, 53], others: [51])
        #expect(step.filled == 2 && step.settled == 3 && step.named == [52...52, 54...55])
        #expect(stretches.allSatisfy { own.isReady(for: $0) })
        own.gaps = [81...89]
        own.holes[.ticks] = [20...50]
        #expect(
            stretches.map { own.isReady(for: $0) } == [false, true, true, true, true, false])
        let beginning = FillPlan.Stretch(lane: Self.lane, ordinals: 1...4, isBeginning: true)
        #expect(Self.account(5...9).isReady(for: beginning))
        #expect(!Self.account(3...9).isReady(for: beginning))
    }

    @Test("ordinals are copied only where both have read the same stream")
    func streams() {
        func isShared(_ own: [String: String], _ other: [String: String]) -> Bool {
            FillBooks.isShared(Self.lane, own, other)
        }
        #expect(isShared(["ticks.3": "7"], ["ticks.3": "7", "bars.3": "8"]))
        #expect(!isShared(["ticks.3": "7", "bars.3": "8"], ["ticks.3": "9", "bars.3": "8"]))
        #expect(!isShared([:], [:]))
    }

    @Test("a beginning is filled from its end on, a hole from its start on")
    func parts() {
        func parts(isBeginning: Bool) -> [FillPlan.Stretch] {
            FillPlan.Stretch(
                lane: Self.lane, ordinals: 11...40, isBeginning: isBeginning, lacking: [18...23]
            ).parts(of: 12)
        }
        #expect(parts(isBeginning: true).map(\.ordinals) == [29...40, 17...28, 11...16])
        #expect(parts(isBeginning: true).map(\.lacking) == [[], [18...23], []])
        #expect(parts(isBeginning: false).map(\.ordinals) == [11...22, 23...34, 35...40])
        #expect(parts(isBeginning: false).map(\.wanted) == [7, 11, 6])
        let stretch = FillPlan.Stretch(lane: Self.lane, ordinals: 11...40, isBeginning: true)
        #expect(stretch.rest(from: stretch.parts(of: 12)[1]).ordinals == 11...28)
    }

    @Test("what the other store has no row of stays named, or is an error")
    func outcomes() {
        let step = FillPlan.Stretch(
            lane: Self.lane, ordinals: 1...10, isBeginning: true, lacking: [4...5])
        let whole: [Int64] = [1, 2, 3, 6, 7, 8, 9, 10]
        let all = FillOutcome(step, rows: whole)
        #expect(all.filled == 8 && all.named == [4...5])
        let some: [Int64] = [1, 3, 6, 7, 8, 9]
        let others = FillOutcome(step, rows: some)
        #expect(others.filled == 6 && others.named == [2...2, 4...5, 10...10])
        #expect(FillOutcome(step, rows: []).named == [1...10])
        func isExplained(_ rows: [Int64], _ unnamed: Int64) -> Bool {
            FillOutcome.isExplained(step, rows: rows, unnamed)
        }
        #expect(isExplained(whole, 0) && isExplained(some, 2) && isExplained(some, 9))
        #expect(!isExplained(some, 1))
        for wrong in [[1, 2, 3, 4], [1, 1, 2], whole + [11]] as [[Int64]] {
            #expect(!isExplained(wrong, 99))
        }
    }

    @Test("rows of times that retention has dropped are left out, of bars by series")
    func retired() {
        let day: Int64 = 86_400_000_000
        func rows(_ table: FillTable, _ times: Int64...) -> FillRows {
            FillRows(
                table: table,
                rows: times.map {
                    FillRows.Row(
                        ordinal: $0, time: $0 * day, received: 9 * day, series: "1m", text: "")
                })
        }
        func kept(_ rows: FillRows, _ until: [String: FillRetired]) -> [Int64] {
            rows.kept(until).rows.map(\.ordinal)
        }
        let until = FillRetired(until: 7 * day, receivedUntil: nil)
        let trades = rows(FillTable(name: "trade_rows", group: .ticks), 0, 6, 7, 8)
        #expect(kept(trades, ["quotes": until]) == [0, 6, 7, 8])
        #expect(kept(trades, ["trades": until]) == [0, 7, 8])
        let received = FillRetired(until: 1, receivedUntil: 10 * day)
        #expect(kept(trades, ["trades": received]) == [6, 7, 8], "without a time of its own")
        let bars = rows(FillTable(name: "bars_short", group: .bars, isOfBars: true), 6, 8)
        #expect(kept(bars, ["series 1s": until]) == [6, 8])
        #expect(kept(bars, ["series 1m": until]) == [8])
        #expect(kept(bars, ["bars_short": until]) == [8])
        #expect(trades.days == [0, 6, 7, 8])
    }

    @Test("the rows of every table of a store are copied")
    func tables() {
        #expect(Set(SinkCatalogue.all.flatMap(\.tables)).isSubset(of: FillTable.names))
        for table in FillTable.all {
            guard let name = SinkName(rawValue: table.retained) else { continue }
            #expect(table.group == TableGroup(of: name), "\(name)")
        }
        let groups = FillTable.all.filter { SinkName(rawValue: $0.retained) == nil }.map {
            "\($0.name) \($0.group)"
        }
        #expect(
            Set(groups) == [
                "changes_by_id ticks", "bars_short bars", "bars_long bars", "bar_versions bars",
            ])
    }

    @Test("the arguments name two stores; the other one's database is FROM_POSTGRES_*")
    func arguments() throws {
        let command = try StoreCommand.parse(["fill", "store-b", "--from", "store", "--dry-run"])
        #expect(command.store.text == "store-b" && command.other.text == "store")
        #expect(command.isDryRun && !command.asJSON)
        for wrong in [
            ["fill", "store-b"], ["fill", "store", "--from", "store"],
            ["fill", "operator", "--from", "store"], ["fill", "--from", "store"],
            ["fill", "store-b", "--from", "store", "--tables", "trades"],
        ] {
            #expect(throws: ToolError.self) { try StoreCommand.parse(wrong) }
        }
        let other = StoreCommand.other([
            "POSTGRES_HOST": "one", "POSTGRES_DB": "b", "POSTGRES_PASSWORD": "x",
            "FROM_POSTGRES_DB": "a", "FROM_POSTGRES_PASSWORD_FILE": "/y", "NATS_URL": "n",
        ])
        #expect(other["POSTGRES_HOST"] == "one" && other["POSTGRES_DB"] == "a")
        #expect(other["POSTGRES_PASSWORD"] == nil && other["POSTGRES_PASSWORD_FILE"] == "/y")
    }
}
