import Foundation
import MarketModel
import PostgresClient
import Primitives
import Seeds
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// What was known of one kind of a symbol within a range at a time, all in microseconds.
struct AsOfQuestion {
    let kind: AsOfWorld.Kind
    let symbol: String
    let time: Int64
    let range: Range<Int64>

    private static func moment(_ time: Int64) -> String {
        "(timestamptz 'epoch' + \(time) * interval '1 us')"
    }

    var moment: String { Self.moment(time) }

    /// Selects the id of each row; of a person's change that is not in force, less than zero.
    func sql(_ market: String) -> String {
        let range = "\(Self.moment(range.lowerBound)), \(Self.moment(range.upperBound))"
        let given = "(\(moment), '{\(symbol)}', \(range))"
        switch kind {
        case .bars:
            return "SELECT round(volume)::bigint FROM \(market).bars_as_of("
                + "\(moment), '{\(symbol)}', '1s', \(range))"
        case .values:
            let (from, to) = (self.range.lowerBound, self.range.upperBound)
            return "SELECT round(value)::bigint FROM \(market).indicators_as_of("
                + "\(moment), '{mean}', '{\(symbol)}', \(Self.moment(from + 1_000_000)),"
                + " \(Self.moment(to + 1_000_000)))"
        case .trades:
            return "SELECT round(price)::bigint FROM \(market).trades_as_of\(given) "
                + "WHERE action = 'new'"
        case .quotes: return "SELECT round(bid_price)::bigint FROM \(market).quotes_as_of\(given)"
        case .changes:
            return "SELECT round(price)::bigint FROM \(market).trades_as_of\(given) "
                + "WHERE action <> 'new'"
        case .orders:
            return "SELECT CASE WHEN is_in_force THEN 1 ELSE -1 END * note::bigint "
                + "FROM \(market).trade_changes_as_of\(given)"
        case .effective:
            return "SELECT round(price)::bigint FROM \(market).trades_effective_as_of\(given)"
        case .gaps: return "SELECT 1 FROM \(market).gaps_as_of\(given)"
        }
    }
}

/// What became of questions.
private struct AsOfCount: CustomStringConvertible {
    var asked: [AsOfWorld.Kind: Int] = [:]
    var answered: [AsOfWorld.Kind: Int] = [:]
    var rows = 0
    var raised = 0
    var disputed = 0
    /// Rows that were answered over a second before they could be read: they had waited for the
    /// tape, whose clock was behind, or all clocks were.
    var waited = 0
    var allBehind = 0
    var faults: [String] = []

    var description: String {
        let kinds = AsOfWorld.Kind.allCases.map {
            "\(asked[$0] ?? 0) of \($0), \(answered[$0] ?? 0) answered"
        }
        return "\(asked.values.reduce(0, +)) questions (\(kinds.joined(separator: "; "))): "
            + "\(rows) rows, \(raised) raised, \(disputed) of them because clocks disagree; "
            + "answered too early: \(allBehind) rows of which all clocks were behind, "
            + "\(waited) that had waited "
            + "while the tape's was; \(faults.count) faults"
    }
}

@Suite("What was known at a time, with clocks that are moved")
struct AsOfWorldTests {
    /// Questions of each world.
    private static let questions = 40

    private static func explains(
        _ question: AsOfQuestion, _ world: AsOfWorld, _ written: ArraySlice<AsOfWorld.Packet>
    ) -> Bool {
        let inputs: [SinkInput] =
            switch question.kind {
            case .bars: [.bars]
            case .values: [.bars, .ticks]
            default: [.ticks]
            }
        let isBehind = inputs.contains { input in
            guard let last = written.last(where: { $0.input == input }) else { return true }
            return min(last.taken, last.sent) <= question.time
        }
        return isBehind
            || world.items.contains { item in
                item.versions.contains { $0.mayBeDisputed(at: question.time) }
            }
    }

    /// Judges the ids of an answer.
    private func judge(
        _ question: AsOfQuestion, _ answer: [Int64], _ world: AsOfWorld, written: Int,
        _ count: inout AsOfCount
    ) {
        let found = Set(answer.map(abs))
        var faults: [String] = []
        if found.count < answer.count { faults.append("it has a row twice") }
        var rest = found
        for place in world.items(of: question) {
            let item = world.items[place]
            if let version = item.versions.first(where: {
                $0.isDisputed(at: question.time, slack: item.slack)
                    && world.mayBeSeen($0, at: question.time, written: written)
            }) {
                faults.append("clocks disagree, and it answered: \(version)")
            }
            rest.subtract(item.versions.map(\.id))
            let (ids, right) = judged(question, answer, place, world)
            if ids.count > 1 || !right.contains(ids.first ?? 0) {
                faults.append("it has \(ids), right are \(right): \(item)")
            }
            for version in item.versions where version.id != 0 && found.contains(version.id) {
                count.rows += 1
                if let witnessed = version.witnessed, question.time < witnessed {
                    faults.append("it could be read at \(version.read) only: \(version)")
                }
                if version.read - question.time > AsOfWorld.second {
                    if version.witnessed == nil { count.allBehind += 1 } else { count.waited += 1 }
                }
            }
        }
        if !rest.isEmpty { faults.append("it has \(rest) besides") }
        count.faults += faults.map { "\(question): \($0)" }
    }

    /// Returns what an answer says of an item, and the ids of which each would be right.
    private func judged(
        _ question: AsOfQuestion, _ answer: [Int64], _ place: Int, _ world: AsOfWorld
    ) -> (ids: Set<Int64>, right: Set<Int64>) {
        let item = world.items[place]
        let ids = Set(answer.map(abs)).intersection(item.versions.map(\.id))
        guard question.kind == .effective else { return (ids, item.right(at: question.time)) }
        guard item.kind == .trades else { return ([], [0]) }
        let changes = world.items.filter { $0.trade == place }.map(\.id)
        return (
            ids.union(answer.filter(changes.contains)),
            world.effective(place, at: question.time)
        )
    }

    /// Judges which of a person's changes are in force.
    private func judgeOrders(
        _ question: AsOfQuestion, _ answer: [Int64], _ world: AsOfWorld, _ count: inout AsOfCount
    ) {
        for trade in Set(world.items(of: question).compactMap { world.items[$0].trade }) {
            let orders = world.items.filter { $0.kind == .orders && $0.trade == trade }.map(\.id)
            let inForce = answer.filter { orders.contains($0) }
            let right = world.inForce(trade, at: question.time)
            if inForce.count > 1 || !right.contains(inForce.first ?? 0) {
                count.faults.append("\(question): \(inForce) are in force, right are \(right)")
            }
        }
    }

    private func ask(
        _ question: AsOfQuestion, _ world: AsOfWorld, written: Int, _ market: String,
        _ session: PostgresConnection, _ count: inout AsOfCount
    ) throws {
        count.asked[question.kind, default: 0] += 1
        do throws(PostgresError) {
            let result = try session.execute(question.sql(market))
            let answer = (0..<result.rowCount).compactMap { result.integer($0, 0) }
            count.answered[question.kind, default: 0] += 1
            judge(question, answer, world, written: written, &count)
            if question.kind == .orders { judgeOrders(question, answer, world, &count) }
        } catch {
            guard error.serverError?.sqlState.rawValue == "TL020",
                let said = error.serverError?.message
            else { throw error }
            count.raised += 1
            if !Self.explains(question, world, world.packets[..<written]) {
                count.faults.append("\(question): raised without need: \(said)")
            }
            guard let range = said.range(of: "clocks disagree from ") else { return }
            count.disputed += 1
            let ends = said[range.upperBound...].split(separator: " to ", maxSplits: 1)
            let isNamed = try session.execute(
                """
                SELECT '\(ends[0])'::timestamptz <= \(question.moment)
                    AND \(question.moment) < '\(ends.last ?? "")'::timestamptz
                """)
            if isNamed.scalar != "t" {
                count.faults.append("\(question): it names another stretch: \(said)")
            }
        }
    }

    @Test("no answer has what could not be read, lacks what all clocks know, or settles a dispute")
    func worlds() throws {
        var count = AsOfCount()
        var moves: [Int] = []
        for (number, seed) in Seeds(kept: [1], weight: 0.01).all().enumerated() {
            var world = AsOfWorld(seed: seed, steps: 150)
            moves = zip(world.moves, moves + [0, 0, 0, 0]).map(+)
            let ticks = try StoreScene("asof_\(number)")
            let bars = try StoreScene("", input: .bars, on: ticks.bench)
            let market = "\(ticks.bench.tape.names.namespace)_market"
            let session = try ticks.bench.database.connectWriter()
            for (index, packet) in world.packets.enumerated() {
                let scene = packet.input == .bars ? bars : ticks
                scene.tapeTime = Timestamp(nanoseconds: packet.taken * 1_000)
                try scene.write([packet.bytes])
                // Half of the questions come while the writer is behind.
                guard index > 20, index % 6 == 0 else { continue }
                try ask(
                    world.question(among: index + 1), world, written: index + 1, market, session,
                    &count)
            }
            let left = (number + 1) * Self.questions - count.asked.values.reduce(0, +)
            for _ in 0..<max(0, left) {
                try ask(
                    world.question(among: world.packets.count), world,
                    written: world.packets.count, market, session, &count)
            }
            #expect(
                count.faults.isEmpty,
                "seed \(seed): \(count.faults.count): \(count.faults.prefix(3))")
            if !count.faults.isEmpty { break }
        }
        print(count, "each clock was moved: \(moves)")
        #expect(moves.allSatisfy { $0 >= Seeds.least(100) })
        #expect(
            AsOfWorld.Kind.allCases.allSatisfy {
                (count.asked[$0] ?? 0) >= Seeds.least(100)
                    && (count.answered[$0] ?? 0) >= Seeds.least(30)
            })
        #expect(count.disputed >= Seeds.least(50) && count.rows >= Seeds.least(500))
    }
}
