import Membership
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

    @Test("gaps and beginnings are filled as far as the other store goes", arguments: cases)
    func stretches(_ given: Case) {
        let plan = FillPlan(of: [Self.lane: given.own], from: [Self.lane: given.other])
        let stretches = plan.missing.flatMap(\.stretches)
        #expect(stretches.map(\.ordinals) == given.filled, "\(given.name)")
        #expect(stretches.flatMap(\.lacking) == given.lacking, "\(given.name)")
        #expect(plan.missing.reduce(0) { $0 + $1.ordinals } == given.missing, "\(given.name)")
    }

    @Test("a source that only one of them knows is not filled, and is named")
    func unknown() {
        let other = FillLane(input: "ticks", partition: 0, source: "test")
        let bars = FillLane(input: "bars", partition: 0, source: "operator")
        let plan = FillPlan(
            of: [Self.lane: Self.account(5...9)],
            from: [other: Self.account(1...9), bars: Self.account(1...9)])
        #expect(plan.unknown == [other])
        #expect(plan.missing.map(\.ordinals) == [4] && plan.missing[0].stretches.isEmpty)
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

    @Test("what the other store has no row of is skipped, stays named, or is an error")
    func outcomes() throws {
        let step = FillPlan.Stretch(
            lane: Self.lane, ordinals: 1...10, isBeginning: true, lacking: [4...5])
        let whole: [Int64] = [1, 2, 3, 6, 7, 8, 9, 10]
        let none = FillAccount.Unnamed()
        let all = try #require(FillOutcome(step, rows: whole, none))
        #expect(all.filled == 8 && all.skipped == 0 && all.named == [4...5])
        let some: [Int64] = [1, 3, 6, 7, 8, 9]
        #expect(FillOutcome(step, rows: some, none) == nil)
        let skipped = FillOutcome(step, rows: some, FillAccount.Unnamed(skipped: 9, letters: 4))
        #expect(skipped?.skipped == 2 && skipped?.named == [4...5])
        let letters = FillOutcome(step, rows: some, FillAccount.Unnamed(letters: 2))
        #expect(letters?.filled == 6 && letters?.named == [2...2, 4...5, 10...10])
        #expect(FillOutcome(step, rows: some, FillAccount.Unnamed(letters: 1)) == nil)
        for wrong in [[1, 2, 3, 4], [1, 1, 2], whole + [11]] as [[Int64]] {
            #expect(FillOutcome(step, rows: wrong, FillAccount.Unnamed(skipped: 99)) == nil)
        }
    }

    @Test("the rows of every table of a store are copied")
    func tables() {
        #expect(Set(SinkCatalogue.all.flatMap(\.tables)).isSubset(of: FillTable.names))
    }

    @Test("the arguments name two stores; the other one's database is FROM_POSTGRES_*")
    func arguments() throws {
        let command = try StoreCommand.parse(["fill", "store-b", "--from", "store", "--dry-run"])
        #expect(command.store.text == "store-b" && command.other.text == "store")
        #expect(command.isDryRun && !command.asJSON && command.tables.count == 13)
        let some = ["fill", "store-b", "--from", "store", "--tables", "trades,provider_bars"]
        #expect(try StoreCommand.parse(some).tables == [.trades, .providerBars])
        for wrong in [
            ["fill", "store-b"], ["fill", "store", "--from", "store"],
            ["fill", "operator", "--from", "store"], ["fill", "--from", "store"],
            ["fill", "store-b", "--from", "store", "--tables", "trade"],
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
