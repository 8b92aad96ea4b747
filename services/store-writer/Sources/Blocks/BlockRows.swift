import MarketModel
import Primitives
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// The rows of a batch as blocks of a store, with the record of each. The same packets make the
/// same blocks, to the byte.
struct BlockRows {
    /// The place of a record: the index of its item, and its ordinal.
    struct Origin: Hashable, Sendable {
        let item: Int
        let ordinal: UInt64
    }

    /// The rows of one block.
    struct Part: Sendable {
        /// `nil` for gaps of ordinals, which are no records.
        let sink: SinkName?
        let block: any StoreBlock
        let origins: [Origin]
    }

    /// By the number of an input, in the order of tables and their partitions.
    private var parts: [Int: [Part]] = [:]
    private let work: BatchWork
    private var refused: [RefusedTick] = []
    /// Makes the blocks of gaps of ordinals.
    private let gapBlocks:
        @Sendable (SinkPosition, _ owed: [SinkGap]) throws(StoreError) -> [any StoreBlock]

    /// `tables` are empty, one for each of the catalogue's sinks; `gaps` is that of gaps.
    init<Rows: BlockRowWriter>(
        _ batch: WriteBatch, _ catalogue: SinkCatalogue, _ tables: [Rows], gaps: Rows
    ) {
        gapBlocks = { position, owed throws(StoreError) in
            var rows = gaps
            for gap in owed + position.gaps {
                rows.add(gap, position)
                // It is no record, so no letter can tell of it.
                if let unfit = rows.unfit { throw Self.failure(gap, unfit) }
            }
            return rows.parts().map(\.block)
        }
        var work = BatchWork(batch, catalogue)
        let inputs = batch.inputs.sorted()
        let numbers = Dictionary(uniqueKeysWithValues: inputs.enumerated().map { ($1, $0) })
        let first = batch.items.map { (numbers[$0.input] ?? 0) * tables.count }
        // By input and table, the index of its rows; below 0: it has none.
        var places = [Int](repeating: -1, count: inputs.count * tables.count)
        var rows: [Rows] = []
        var origins: [[Origin]] = []
        var unmade: [(origin: Origin, sink: SinkName, unfit: UnfitValue?)] = []
        let writes = catalogue.sinks.map { Rows.write(of: $0) }
        batch.walk { item, context, record, ordinal, packet in
            guard let index = catalogue.index(of: record) else { return }
            let slot = first[item] + index
            if places[slot] < 0 {
                places[slot] = rows.count
                rows.append(tables[index])
                origins.append([])
            }
            let place = places[slot]
            let sink = catalogue.sinks[index]
            let origin = Origin(item: item, ordinal: ordinal)
            let isMade = writes[index](record, context, packet, ordinal, &rows[place])
            if isMade, rows[place].unfit == nil {
                origins[place].append(origin)
            } else {
                unmade.append((origin, sink.name, isMade ? rows[place].unfit : nil))
            }
        }
        for (origin, sink, unfit) in unmade { work.refuse(origin, sink, unfit) }
        self.work = work
        for (number, input) in inputs.enumerated() {
            for (index, sink) in catalogue.sinks.enumerated() {
                let place = places[number * tables.count + index]
                guard place >= 0 else { continue }
                for part in rows[place].parts() {
                    parts[input, default: []].append(
                        Part(
                            sink: sink.name, block: part.block,
                            origins: part.rows.map { origins[place][$0] }))
                }
            }
        }
    }

    /// Takes rows out, which the store refuses.
    mutating func refuse(_ ticks: [RefusedTick]) { refused += ticks }

    /// Returns the counts, in which each record of the batch is once.
    func counted(_ batch: WriteBatch) -> BatchWork {
        var counted = work
        let gone = Set(refused.map { Origin(item: $0.item, ordinal: $0.ordinal) })
        for case (let part, let sink?) in parts.values.joined().map({ ($0, $0.sink) }) {
            for origin in part.origins where !gone.contains(origin) {
                counted.outcome.counts[origin.item].written += 1
                counted.outcome.rows[sink, default: 0] += 1
            }
        }
        counted.refused += refused
        counted.close(batch)
        return counted
    }

    /// Returns the blocks of an input, with one of the gaps that the position after it reveals, and
    /// of those that an earlier batch owes.
    func blocks(
        _ input: Int, _ after: SinkPosition, owed: [SinkGap]
    ) throws(StoreError) -> [Part] {
        var found = parts[input] ?? []
        found += try gapBlocks(after, owed).map { Part(sink: nil, block: $0, origins: []) }
        return found
    }

    private static func failure(_ gap: SinkGap, _ unfit: UnfitValue) -> StoreError {
        .failed(
            StoreError.Failure(
                category: .schema,
                cause: IntentFailure(
                    description: "the gap of \(gap.source) from \(gap.ordinals.lowerBound) to "
                        + "\(gap.ordinals.upperBound) cannot be named: \(unfit.reason)")))
    }
}

extension BatchWork {
    /// Notes a record of which no row was made.
    fileprivate mutating func refuse(
        _ origin: BlockRows.Origin, _ sink: SinkName, _ unfit: UnfitValue?
    ) {
        guard let unfit else { return refuse(origin.item, origin.ordinal, sink) }
        refused.append(
            RefusedTick(
                item: origin.item, ordinal: origin.ordinal, sink: sink, reason: .data,
                refusal: DeadLetter.Refusal(message: unfit.reason, column: unfit.column)))
    }
}

extension RowWriter where Failure == Never {
    /// Adds a gap as a row of `ordinal_gaps`. With the position it is told from another one of the
    /// same ordinals.
    fileprivate mutating func add(_ gap: SinkGap, _ after: SinkPosition) {
        row(columns: 9)
        text(after.input.rawValue)
        int64(Int64(after.partition.number))
        text(gap.source.text)
        int64(Int64(clamping: gap.ordinals.lowerBound))
        int64(Int64(clamping: gap.ordinals.upperBound))
        text(gap.reason.rawValue)
        int64(Int64(bitPattern: gap.epoch))
        int64(after.position?.streamCreated.nanoseconds ?? 0)
        int64(Int64(clamping: after.position?.sequence ?? 0))
    }
}
