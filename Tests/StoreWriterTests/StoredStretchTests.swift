import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

@Suite("When the tape took what is stored")
struct StoredStretchTests {
    private static let second: Int64 = 1_000_000_000
    private let start: Int64 = 1_700_000_000 * Self.second

    /// The times of a packet, as they have to be found.
    private struct Times {
        let latest: Int64
        let apart: Int64
    }

    /// What a database has of the stretches, and what it answers.
    private struct Stored {
        struct Row {
            var last: UInt64
            let from: Int64
            var points: [StoredStretch.Point]
        }
        var rows: [UInt64: Row] = [:]

        /// As `advance_positions` does.
        mutating func take(_ stretches: [StoredStretch]) throws {
            for stretch in stretches {
                let first = try #require(stretch.points.first)
                let kept = rows[stretch.firstOrdinal]?.points.filter { $0.start < first.start }
                rows[stretch.firstOrdinal] = Row(
                    last: stretch.lastOrdinal, from: stretch.takenFrom,
                    points: (kept ?? []) + stretch.points)
            }
        }

        /// As `taken_at` does.
        func takenAt(_ ordinal: UInt64) -> Times? {
            guard let first = rows.keys.filter({ $0 <= ordinal }).max(), let row = rows[first],
                row.last >= ordinal
            else { return nil }
            return row.points.last { UInt64($0.start) <= ordinal - first }.map {
                Times(latest: row.from + Int64($0.delay), apart: Int64($0.apart))
            }
        }
    }

    private func position() -> SinkPosition {
        SinkPosition(input: .ticks, partition: Partition(3), ownerEpoch: 1)
    }

    private func header(
        _ first: UInt64, _ count: Int, _ source: String = "a", sent: Timestamp = .undefined
    ) throws -> PacketHeader {
        var header = PacketHeader(
            kind: .ticks, partition: Partition(3), source: try #require(SourceName(source)),
            epoch: 9, firstOrdinal: first, watermark: .undefined, sendTime: sent)
        header.tickCount = UInt32(count)
        return header
    }

    private func changed(_ position: SinkPosition) -> [StoredStretch] {
        position.stretches + position.sources.compactMap(\.stretch).filter(\.isChanged)
    }

    @Test("each ordinal is found with its packet's time: never earlier, less than a second later")
    func random() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        var (position, stored, taken) = (position(), Stored(), [UInt64: Times?]())
        var (next, time) = (UInt64(1), start)
        for _ in 0..<3_000 {
            // Mostly within a second, sometimes after hours; and a sender's clock that goes back.
            switch Int.random(in: 0..<200, using: &random) {
            case 0: time += Int64.random(in: 0..<20_000, using: &random) * Self.second
            case 1: time -= Int64.random(in: 0..<4_000, using: &random) * Self.second
            default: time += Int64.random(in: 0..<900_000_000, using: &random)
            }
            let count = Int.random(in: 1..<20, using: &random)
            let isKnown = Int.random(in: 0..<100, using: &random) > 0
            let isRowless = Int.random(in: 0..<10, using: &random) == 0
            // Now and then it waited, or one of the clocks is wrong.
            let wait =
                Int.random(in: 0..<20, using: &random) == 0
                ? Int64.random(in: -2_000...5_000, using: &random) : 1
            let header = try header(
                next, count, sent: Timestamp(nanoseconds: time - wait * 1_000_000))
            if isRowless {
                position.add(RowlessRun(header, .switchedOff))
            } else {
                position.add(
                    header, TickCount(written: UInt64(count), skipped: 0),
                    takenAt: isKnown ? Timestamp(nanoseconds: time) : .undefined)
                for ordinal in next..<header.nextOrdinal {
                    let latest = (max(time, time - wait * 1_000_000) + 999) / 1_000
                    taken[ordinal] = .some(
                        isKnown ? Times(latest: latest, apart: Int64(wait.magnitude)) : nil)
                }
            }
            next = header.nextOrdinal
            guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
            try stored.take(changed(position))
            position.forgetBatch()
            #expect(changed(position).isEmpty)
            // Another writer knows nothing of the stretches.
            if Int.random(in: 0..<40, using: &random) == 0 {
                for index in position.sources.indices { position.sources[index].stretch = nil }
            }
        }
        try stored.take(changed(position))
        for (ordinal, time) in taken {
            let found = stored.takenAt(ordinal)
            guard let time else {
                #expect(found?.latest == nil, "seed \(seed): \(ordinal)")
                continue
            }
            let times = try #require(found, "seed \(seed): \(ordinal)")
            let late = times.latest - time.latest
            #expect(late >= 0 && late < 1_000_000, "seed \(seed): \(ordinal) \(late) us late")
            #expect(times.apart >= time.apart, "seed \(seed): \(ordinal)")
        }
        #expect(stored.rows.values.allSatisfy { $0.points.count <= StoredStretch.pointsMax })
    }

    @Test("a stretch has room for 128 seconds, and for half an hour")
    func bounds() throws {
        var position = position()
        for second in 0..<300 {
            position.add(
                try header(UInt64(second) + 1, 1), TickCount(written: 1, skipped: 0),
                takenAt: Timestamp(nanoseconds: start + Int64(second) * Self.second))
        }
        #expect(changed(position).map(\.firstOrdinal) == [1, 129, 257])
        #expect(changed(position).map(\.points.count) == [128, 128, 44])
        position.forgetBatch()
        position.add(
            try header(301, 1), TickCount(written: 1, skipped: 0),
            takenAt: Timestamp(nanoseconds: start + 3_000 * Self.second))
        #expect(changed(position).map(\.firstOrdinal) == [301])
        // One second, whatever the number of packets, and another source beside it.
        for ordinal in 302..<400 {
            position.add(
                try header(UInt64(ordinal), 1), TickCount(written: 1, skipped: 0),
                takenAt: Timestamp(nanoseconds: start + 3_000 * Self.second + Int64(ordinal)))
        }
        position.add(
            try header(7, 2, "b"), TickCount(written: 0, skipped: 0, deadLettered: 2),
            takenAt: Timestamp(nanoseconds: start))
        #expect(changed(position).map(\.points.count) == [1, 1])
        #expect(changed(position).map(\.lastOrdinal) == [399, 8])
    }
}
