import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Computes what has to be raised, so that a tape that was made again continues after the rows of a
/// database. Pure.
///
/// A new tape has no packets, and its buckets are empty. A gateway would begin with ordinal 1 and
/// a worker with bar 1, and the writer would leave out what comes with ordinals that are stored.
struct RaisePlan: Equatable, Sendable {
    /// The ticks of a source in a partition, or the bars of a partition.
    struct Line: Equatable, Sendable {
        let input: TapeInput
        let source: SourceName
        /// For the values over all partitions, their own share.
        let partition: Partition
        /// The last ordinal that the database has, and its epoch.
        let lastOrdinal: UInt64
        let epoch: UInt64
        /// When the former tape took the last packet that is stored.
        let until: Timestamp
        /// The last ordinal on the present tape; 0: none.
        let onTape: UInt64

        /// Whether the present tape ends before the database.
        var isNeeded: Bool { onTape < lastOrdinal }
    }

    let lines: [Line]

    /// `onTape` returns the last ordinal of a source's ticks, or of a share's bars.
    init(
        _ positions: [GroupPosition], universe: Partition,
        onTape: (TapeInput, SourceName, Partition) throws -> UInt64
    ) rethrows {
        lines = try positions.flatMap { position in
            try position.sources.map { source in
                let share = source.source == .universe ? universe : position.partition
                return Line(
                    input: position.input, source: source.source, partition: share,
                    lastOrdinal: source.lastOrdinal, epoch: source.epoch,
                    until: position.tapeTime.isDefined ? position.tapeTime : position.moved,
                    onTape: try onTape(position.input, source.source, share))
            }
        }
    }

    var ticks: [Line] { lines.filter { $0.input == .ticks } }
    var bars: [Line] { lines.filter { $0.input == .bars } }
    /// Whether the tape has everything that the database has.
    var isNothing: Bool { !lines.contains { $0.isNeeded } }

    /// By source, what its record has to say at least.
    var records: [(source: SourceName, record: SourceRecord)] {
        Dictionary(grouping: ticks.filter(\.isNeeded), by: \.source)
            .map { ($0.key, Self.record($0.value)) }.sorted { $0.source < $1.source }
    }

    private static func record(_ lines: [Line]) -> SourceRecord {
        var record = SourceRecord()
        for line in lines {
            record.heads[.ticks(line.partition)] = SourceRecord.Head(
                epoch: line.epoch, lastOrdinal: line.lastOrdinal, storedUntil: line.until)
        }
        // No table has watermarks. Their epochs are not above those of the ticks' owners.
        let epoch = lines.map(\.epoch).max() ?? 0
        for stream in 0..<TapeNames.tickStreams {
            record.heads[.watermarks(stream: stream)] = SourceRecord.Head(
                epoch: epoch, lastOrdinal: 0)
        }
        return record
    }

    /// By share of the operators, what the request to its worker says.
    var requests: [(share: Partition, stored: RebuildRequest.Stored)] {
        bars.filter(\.isNeeded).map { line in
            let sources = ticks.filter { $0.partition == line.partition }
                .prefix(RebuildRequest.sourcesMax)
            return (
                line.partition,
                RebuildRequest.Stored(
                    lastOrdinal: line.lastOrdinal, epoch: line.epoch,
                    sources: sources.map {
                        SourceOrdinal(
                            source: $0.source, epoch: $0.epoch, lastOrdinal: $0.lastOrdinal)
                    })
            )
        }
    }
}
