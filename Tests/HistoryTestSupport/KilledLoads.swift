package import EngineKit
package import MarketModel
package import Primitives

/// What the processes of a load have left on the tape of three partitions. All but the last are
/// killed, each at another record of each partition.
package struct KilledLoads {
    package static var symbols: [String] { ["A", "B", "C", "D"] }
    private static let partitions = [0, 1, 1, 2]
    private static let partitionCount = 3
    private static let lives = 5

    /// The records of each symbol.
    package private(set) var records: [String: [TapeRecord]] = [:]
    /// Whether no record came that is older than the watermark of its partition.
    package private(set) var isFloorKept = true
    /// The watermark of each partition.
    private var marks: [Int: Timestamp] = [:]

    /// Loads until all is there. `bench` makes a process, and `answer` the service's answers. Some
    /// requests fail.
    package init<Service: HistoryService>(
        using random: inout SeededRandom, _ bench: () -> HistoryBench<Service>,
        answer: (Service.Request) -> Service.Answer
    ) throws {
        for life in 1...Self.lives {
            var bench = bench()
            try begin(&bench)
            let isLast = life == Self.lives
            let turns = isLast ? 10_000 : Int.random(in: 1...12, using: &random)
            for _ in 0..<turns where bench.history.phase == .loading {
                guard let request = bench.turn() else { continue }
                let fails = Int.random(in: 0..<5, using: &random) == 0
                bench.history.answered(
                    request.number, fails ? .failed("cut") : .page(answer(request)), bench.now)
            }
            take(bench, isKilled: !isLast, using: &random)
        }
    }

    private func begin<Service>(_ bench: inout HistoryBench<Service>) throws {
        var last: [String: LastOfHistory] = [:]
        for (symbol, own) in records {
            last[symbol] = own.compactMap(\.placed).last.map { ($0.providerID, $0.providerTime) }
        }
        let own = Self.symbols.indices.map { (Self.symbols[$0], marks[Self.partitions[$0]]) }
        try bench.begin(
            Self.symbols, last: last,
            marks: Dictionary(own.map { ($0, $1 ?? .undefined) }) { $1 },
            promised: marks.count == Self.partitionCount
                ? marks.values.min() ?? .undefined : .undefined)
    }

    /// Takes a part of what a process handed out, of each partition another one.
    private mutating func take<Service>(
        _ bench: HistoryBench<Service>, isKilled: Bool, using random: inout SeededRandom
    ) {
        for number in 0..<Self.partitionCount {
            let own = bench.records.compactMap { record -> TapeRecord? in
                guard case .tape(let record) = record, let header = record.header else {
                    return nil
                }
                return Self.partitions[Int(header.symbol)] == number ? record : nil
            }
            let kept = isKilled ? Int.random(in: 0...own.count, using: &random) : own.count
            let mark = marks[number] ?? .undefined
            for record in own.prefix(kept) {
                if let header = record.placed {
                    isFloorKept = isFloorKept && (!mark.isDefined || header.providerTime >= mark)
                }
                let symbol = Int(record.header?.symbol ?? 0)
                records[Self.symbols[symbol], default: []].append(record)
            }
            guard kept == own.count else { continue }
            marks[number] = max(marks[number] ?? bench.out.floor, bench.out.floor)
        }
    }

    package func trades(of symbol: String) -> [Trade] {
        (records[symbol] ?? []).compactMap { if case .trade(let trade) = $0 { trade } else { nil } }
    }

    package func bars(of symbol: String) -> [ProviderBar] {
        (records[symbol] ?? []).compactMap {
            if case .providerBar(let bar) = $0 { bar } else { nil }
        }
    }

    package func gaps(of symbol: String) -> [GapRecord] {
        (records[symbol] ?? []).compactMap { if case .gap(let gap) = $0 { gap } else { nil } }
    }
}

extension TapeRecord {
    /// The header of a trade or a bar, which say where a load is. Changes of trades do not.
    fileprivate var placed: TickHeader? {
        switch self {
        case .trade(let trade): trade.header.action == 0 ? trade.header : nil
        case .providerBar(let bar): bar.header
        default: nil
        }
    }
}
