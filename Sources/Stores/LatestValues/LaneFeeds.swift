internal import MarketModel
package import Primitives
internal import TapeCodec
internal import TapeProtocol
package import TapeTransport

extension LatestValue {
    /// A lane of the tape.
    struct Place: Hashable {
        let source: SourceName
        let partition: Partition
    }

    /// The lane of the value; `nil`: there is no value, or its place is not known.
    var place: Place? {
        guard let lane, let partition else { return nil }
        return Place(source: lane, partition: partition)
    }
}

extension [LatestValue] {
    /// Adds what the tape says of the feeds. Blocks. It is called after the values were read, so
    /// that no record of before is missed.
    package mutating func addFeeds(_ client: TapeClient) throws {
        let feeds = try LaneFeeds.read(Array<LatestValue.Place>(Set(compactMap(\.place))), client)
        for index in indices { self[index].feed = self[index].place.flatMap { feeds[$0] } }
    }
}

/// The feeds of lanes for one who asks again and again: each is read once in a second at most.
package struct LaneFeeds {
    private struct Known {
        let feed: LatestValue.Feed
        let readAt: MonotonicTime
    }

    /// The tape did not answer all in time. The next call goes on.
    package struct Late: Error, CustomStringConvertible {
        package let description = "NATS answers too slowly"
    }

    private static let intervalNanoseconds: Int64 = 1_000_000_000
    /// So many lanes are one round of requests.
    private static let lanesMax = 16

    private var known: [LatestValue.Place: Known] = [:]

    package init() {}

    /// Adds what the tape says of the feeds. No round begins after `timeout`, and none takes
    /// longer. Blocks.
    package mutating func add(
        to values: inout [LatestValue], _ client: TapeClient, within timeout: Duration,
        _ clock: () -> MonotonicTime
    ) throws {
        let begun = clock()
        let end = begun.advanced(by: timeout)
        known = known.filter { begun - $0.value.readAt < Self.intervalNanoseconds }
        let asked = Array<LatestValue.Place>(
            Set(values.compactMap(\.place)).filter { known[$0] == nil })
        for first in stride(from: 0, to: asked.count, by: Self.lanesMax) {
            guard clock() < end else { throw Late() }
            let lanes = Array(asked[first..<min(asked.count, first + Self.lanesMax)])
            for (lane, feed) in try Self.read(lanes, client, within: timeout) {
                known[lane] = Known(feed: feed, readAt: begun)
            }
        }
        for index in values.indices {
            values[index].feed = values[index].place.flatMap { known[$0]?.feed }
        }
    }

    static func read(
        _ lanes: [LatestValue.Place], _ client: TapeClient, within timeout: Duration? = nil
    ) throws -> [LatestValue.Place: LatestValue.Feed] {
        guard !lanes.isEmpty else { return [:] }
        let packets = try client.lastPacketOfEach(
            lanes.flatMap { LatestValue.Feed.places(of: $0.source, $0.partition, client.names) },
            within: timeout)
        var feeds: [LatestValue.Place: LatestValue.Feed] = [:]
        for (index, lane) in lanes.enumerated() {
            feeds[lane] = LatestValue.Feed(
                packets[index * 2]?.header, promise: packets[index * 2 + 1]?.header)
        }
        return feeds
    }
}

extension LatestValue.Feed {
    /// Returns where the last packets of a lane and of its source's watermarks are.
    static func places(
        of source: SourceName, _ partition: Partition, _ names: TapeNames
    ) -> [(stream: String, subject: String)] {
        if source == .operator || source == .universe {
            let output = (stream: names.barStream, subject: names.derived(partition, source))
            return [output, output]
        }
        let index = names.streamIndex(of: partition)
        let stream = names.tickStream(index)
        return [
            (stream: stream, subject: names.ticks(partition, source)),
            (stream: stream, subject: names.watermarks(stream: index, source)),
        ]
    }

    /// By the last packet of records, and the last one of the source's watermarks.
    init(_ records: PacketHeader?, promise: PacketHeader?) {
        for header in [records, promise].compactMap({ $0 }) {
            // A marker promises nothing.
            if header.watermark.isDefined, header.watermark.nanoseconds != Int64.min {
                watermark =
                    watermark.isDefined ? max(watermark, header.watermark) : header.watermark
            }
            sentAt = sentAt.isDefined ? max(sentAt, header.sendTime) : header.sendTime
        }
        if let records {
            ordinal = records.firstOrdinal &+ UInt64(records.tickCount) &- 1
            recordsAt = records.sendTime
        }
        if let promise, promise.retiresSource, promise.epoch >= records?.epoch ?? 0 {
            isRetired = true
        }
    }
}
