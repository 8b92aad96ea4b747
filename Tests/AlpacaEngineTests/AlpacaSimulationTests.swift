import MarketModel
import Primitives
import Testing

@testable import AlpacaEngine

/// A service that cuts, goes dead, errs, changes trades and reports late, from seeds; and gateways
/// that are killed.
@Suite struct AlpacaSimulationTests {
    private static let symbols = ["AAPL", "SPY", "TSLA"]

    /// A trade that happened, and when the service reported it.
    private struct Happened: Hashable {
        var symbol: UInt32
        var id: UInt64
        var time: Timestamp
        var reported: Timestamp
    }

    /// The service's side of one connection: what is on its way, in order.
    private struct Line {
        var number: AlpacaConnection
        var isAuthenticated = false
        var isDead = false
        var names: Set<String> = []
        var queue: [String] = []
    }

    private struct World {
        var bench: AlpacaBench
        var random: SeededRandom
        var lines: [Line] = []
        var happened: [Happened] = []
        /// The trades that were changed.
        var changed: Set<Happened> = []
        /// What earlier processes left on the tape.
        var tape: [ProviderRecord] = []
        var kills = 0
        var lastID: UInt64 = 0

        mutating func chance(_ perMille: Int) -> Bool {
            Int.random(in: 0..<1_000, using: &random) < perMille
        }

        /// Does what the engine wants.
        mutating func obey() {
            for wish in bench.takeWishes() {
                switch wish {
                case .open(let number, _):
                    guard chance(200) else {
                        lines.append(Line(number: number, queue: [AlpacaBench.connected]))
                        bench.opened(number)
                        continue
                    }
                    bench.ended(number)
                case .close(let number): lines.removeAll { $0.number == number }
                case .authenticate(let number):
                    guard let place = place(number) else { continue }
                    if chance(100) {
                        lines[place].queue.append(AlpacaBench.error(406))
                    } else {
                        lines[place].isAuthenticated = true
                        lines[place].queue.append(AlpacaBench.authenticated)
                    }
                case .send(let number, let text): answer(text, on: number)
                }
            }
        }

        func place(_ number: AlpacaConnection) -> Int? {
            lines.firstIndex { $0.number == number }
        }

        mutating func answer(_ text: String, on number: AlpacaConnection) {
            guard let place = place(number), !lines[place].isDead else { return }
            guard let request = try? JSONValue.parse(Array(text.utf8)) else {
                Issue.record("no JSON: \(text)")
                return
            }
            let names = request["trades"]?.array?.compactMap(\.string) ?? []
            if request["action"]?.string == "subscribe" {
                lines[place].names.formUnion(names)
            } else {
                lines[place].names.subtract(names)
            }
            let list = lines[place].names.sorted().map { "\"\($0)\"" }.joined(separator: ",")
            lines[place].queue.append("[{\"T\":\"subscription\",\"trades\":[\(list)]}]")
        }

        mutating func send(_ text: String, of symbol: UInt32) {
            let name = AlpacaSimulationTests.symbols[Int(symbol)]
            for place in lines.indices
            where lines[place].names.contains(name) && !lines[place].isDead {
                lines[place].queue.append(text)
            }
        }

        mutating func trade() {
            let symbol = UInt32.random(in: 0..<3, using: &random)
            lastID += 1
            // Some trades are reported late.
            let late = chance(20) ? Int64.random(in: 0...5_000_000_000, using: &random) : 0
            let now = bench.now.wall
            let trade = Happened(
                symbol: symbol, id: lastID, time: now.advanced(byNanoseconds: -late),
                reported: now)
            happened.append(trade)
            let name = AlpacaSimulationTests.symbols[Int(symbol)]
            send("[\(bench.trade(name, trade.id, at: "\(trade.time)"))]", of: symbol)
        }

        mutating func change() {
            guard let trade = happened.suffix(200).randomElement(using: &random),
                changed.insert(trade).inserted
            else { return }
            let isCancel = Bool.random(using: &random)
            let name = AlpacaSimulationTests.symbols[Int(trade.symbol)]
            lastID += 1
            let text =
                isCancel
                ? bench.cancel(name, trade.id)
                : bench.correction(name, trade.id, to: lastID, price: "1.25")
            send("[\(text)]", of: trade.symbol)
        }

        /// Delivers some of what is on its way.
        mutating func deliver() {
            for number in lines.map(\.number) {
                guard let place = place(number) else { continue }
                let count = Int.random(in: 0...lines[place].queue.count, using: &random)
                let texts = lines[place].queue.prefix(count)
                lines[place].queue.removeFirst(count)
                for text in texts { bench.receive(text, on: number) }
            }
        }

        mutating func step() {
            bench.pass(Int64.random(in: 1_000_000...100_000_000, using: &random))
            obey()
            if chance(800) { trade() }
            if chance(30) { change() }
            if chance(700) { deliver() }
            guard let line = lines.last else { return }
            if chance(4) {
                lines.removeAll()
                bench.ended(line.number)
            } else if chance(4) {
                lines[lines.count - 1].isDead = true
                lines[lines.count - 1].queue = []
            } else if chance(3), !line.isDead {
                bench.receive(chance(500) ? "garbage" : AlpacaBench.error(500), on: line.number)
            } else if chance(2) {
                kill()
            }
        }

        /// Another gateway begins with what is on the tape.
        mutating func kill() {
            kills += 1
            let reached = bench.out.floor
            tape += bench.records
            let open = openGaps()
            lines = []
            bench = AlpacaBench(
                at: bench.time + 3_000_000_000, AlpacaSimulationTests.change)
            bench.follow(AlpacaSimulationTests.symbols, reached: reached, gaps: open)
        }

        /// The gaps on the tape that have no end.
        func openGaps() -> [OpenGap] {
            (0..<3 as Range<UInt32>).compactMap { symbol in
                let last = tape.compactMap { record -> GapRecord? in
                    guard case .tape(.gap(let gap)) = record, gap.header.symbol == symbol,
                        gap.reason != GapReason.scale.rawValue
                    else { return nil }
                    return gap
                }.last
                guard let last, !last.to.isDefined else { return nil }
                return OpenGap(
                    instrument: symbol, kind: .trade, from: last.from, to: .undefined,
                    reason: GapReason(rawValue: last.reason) ?? .unknown)
            }
        }
    }

    @Test(
        "each trade is there once, or lies in a gap; each change names its trade",
        arguments: 0..<60 as Range<UInt64>)
    func service(seed: UInt64) {
        var world = World(
            bench: AlpacaBench(.sip, Self.change),
            random: SeededRandom(seed: seed))
        world.bench.follow(Self.symbols)
        for _ in 0..<4_000 { world.step() }
        world.bench.engine.stop(world.bench.now, into: &world.bench.out)
        world.bench.collect()
        world.tape += world.bench.records
        check(world, seed)
    }

    private static func change(_ settings: inout AlpacaSettings) {
        settings.reconnectMax = 2_000_000_000
        settings.silentAfter = 4_000_000_000
    }

    private func check(_ world: World, _ seed: UInt64) {
        let records = world.tape.compactMap { record -> TapeRecord? in
            if case .tape(let record) = record { record } else { nil }
        }
        var count = 0
        for symbol in 0..<3 as Range<UInt32> {
            let all = records.compactMap { record -> Trade? in
                guard case .trade(let trade) = record, trade.header.symbol == symbol else {
                    return nil
                }
                return trade
            }
            let trades = all.filter { $0.header.action == 0 }
            count += trades.count
            let there = trades.map(\.header.providerID)
            #expect(Set(there).count == there.count, "seed \(seed): twice")
            let truth = world.happened.filter { $0.symbol == symbol }
            let numbers = Dictionary(
                uniqueKeysWithValues: truth.map { (Self.number($0), $0) })
            #expect(there.allSatisfy { numbers[$0] != nil }, "seed \(seed): invented")
            let gaps = records.compactMap { record -> GapRecord? in
                guard case .gap(let gap) = record, gap.header.symbol == symbol else { return nil }
                return gap
            }
            let first = trades.first?.header.receiveTime ?? .undefined
            let known = Set(there)
            for trade in truth
            where trade.reported >= first && !known.contains(Self.number(trade))
                // Reported while nobody listened, and from before.
                && trade.reported == trade.time
            {
                #expect(
                    Self.isMissing(trade.time, gaps),
                    "seed \(seed): \(symbol) \(trade.id) is in no gap")
            }
            // A gap in which nothing is missing has a beginning and an end.
            #expect(!gaps.contains { $0.to.isDefined && $0.to <= $0.from }, "seed \(seed)")
            checkChanges(all, numbers, known, seed)
        }
        #expect(count > 500, "seed \(seed): hardly anything came")
    }

    private func checkChanges(
        _ all: [Trade], _ numbers: [UInt64: Happened], _ known: Set<UInt64>, _ seed: UInt64
    ) {
        for change in all where change.header.action != 0 {
            guard let trade = numbers[change.header.providerID] else {
                Issue.record("seed \(seed): a change names no trade")
                continue
            }
            // One of an earlier process is not known to this one.
            guard known.contains(change.header.providerID),
                change.header.providerTime != trade.time
            else { continue }
            #expect(change.header.providerTime > trade.time, "seed \(seed): another trade's time")
        }
    }

    private static func number(_ trade: Happened) -> UInt64 {
        AlpacaTradeID.number(
            exchange: UInt8(ascii: "V"), day: AlpacaTradeID.day(of: trade.time), id: trade.id)
    }

    /// Whether the last record about a moment says that it is missing.
    private static func isMissing(_ time: Timestamp, _ gaps: [GapRecord]) -> Bool {
        gaps.last { $0.from <= time && (!$0.to.isDefined || time < $0.to) }
            .map { $0.state != GapState.filled.rawValue } ?? false
    }
}
