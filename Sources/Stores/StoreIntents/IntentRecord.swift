internal import MarketModel
package import Primitives
package import TapeCodec

/// How far a table group of a store has one partition's input, and the batch that may be on its way
/// to the store: the value of a key that is changed only by compare-and-set.
package struct IntentRecord: Hashable, Sendable {
    package static let version = 1
    /// The largest record. One with `sourcesMax` sources in both places is smaller.
    package static let bytesMax = 256 * 1_024
    /// The most sources of a position. A batch that would bring more ends the tenure.
    package static let sourcesMax = 1_024
    /// The highest epoch, ordinal and sequence. A higher one is damage.
    package static let numberMax: UInt64 = 1 << 62

    /// The epoch of the owner that wrote it.
    package var epoch: UInt64
    /// The owner's process. Two owners that were given one epoch differ in it.
    package var instance: UInt64
    /// Everything up to here is in the store; `nil`: nothing is.
    package var position: TapePosition?
    /// The batch after the position, of which any part may be in the store; `nil`: there is none.
    package var intent: StoreIntent?

    package init(
        epoch: UInt64, instance: UInt64, position: TapePosition? = nil, intent: StoreIntent? = nil
    ) {
        self.epoch = epoch
        self.instance = instance
        self.position = position
        self.intent = intent
    }

    /// The position after everything that may be in the store.
    package var reach: TapePosition? { intent.map { $0.end(after: position) } ?? position }

    package var json: [UInt8] {
        JSONWriter.made(capacity: 512, version: Self.version) { json in
            json.member("epoch", epoch)
            json.member("instance", instance)
            if let position {
                json.object("position") { json in
                    position.tapePacket.write(into: &json)
                    json.array("sources") { json in
                        for source in position.sources { source.write(into: &json) }
                    }
                }
            }
            if let intent { json.object("intent") { intent.write(into: &$0) } }
        }.bytes
    }

    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        guard bytes.count <= Self.bytesMax else { throw .damaged("it is too large") }
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let epoch = json.number("epoch"), let instance = json["instance"]?.uint64 else {
            throw .damaged("it is no record of intents")
        }
        self.init(epoch: epoch, instance: instance)
        if let value = json["position"] {
            guard let position = TapePosition(value) else {
                throw .damaged("its position is none")
            }
            self.position = position
        }
        guard let value = json["intent"] else { return }
        guard let intent = StoreIntent(value), intent.follows(position),
            intent.end(after: position).sources.count <= Self.sourcesMax
        else { throw .damaged("its intent is none") }
        self.intent = intent
    }
}

// MARK: the parts of a record

extension JSONValue {
    /// The member's number, if it is in its bounds.
    fileprivate func number(_ name: String) -> UInt64? {
        self[name]?.uint64.flatMap { $0 <= IntentRecord.numberMax ? $0 : nil }
    }

    /// The entries of the member `sources`; `nil` when one is none, or their names do not ascend.
    fileprivate func sources<Entry>(
        _ read: (JSONValue) -> Entry?, _ name: (Entry) -> SourceName
    ) -> [Entry]? {
        guard let values = self["sources"]?.array, values.count <= IntentRecord.sourcesMax else {
            return nil
        }
        var entries: [Entry] = []
        for value in values {
            guard let entry = read(value) else { return nil }
            if let last = entries.last, name(last) >= name(entry) { return nil }
            entries.append(entry)
        }
        return entries
    }
}

extension TapePacket {
    fileprivate func write(into json: inout JSONWriter) {
        json.member("stream_created_ns", streamCreated.nanoseconds)
        json.member("sequence", sequence)
        json.member("packet_epoch", identity.epoch)
        json.member("packet_ordinal", identity.firstOrdinal)
        json.member("packet_crc", identity.checksum)
    }

    fileprivate init?(_ json: JSONValue) {
        guard let created = json["stream_created_ns"]?.int,
            let sequence = json.number("sequence"), let epoch = json.number("packet_epoch"),
            let ordinal = json.number("packet_ordinal"), let crc = json["packet_crc"]?.uint64
        else { return nil }
        self.init(
            streamCreated: Timestamp(nanoseconds: Int64(created)), sequence: sequence,
            identity: PacketIdentity(epoch: epoch, firstOrdinal: ordinal, checksum: crc))
    }
}

extension TapePosition {
    fileprivate var tapePacket: TapePacket {
        TapePacket(streamCreated: streamCreated, sequence: sequence, identity: packet)
    }

    fileprivate init?(_ json: JSONValue) {
        guard let packet = TapePacket(json),
            let sources = json.sources({ SourceOrdinal($0) }, { $0.source })
        else { return nil }
        self.init(
            streamCreated: packet.streamCreated, sequence: packet.sequence,
            packet: packet.identity, sources: sources)
    }
}

extension SourceOrdinal {
    fileprivate func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("source", source.text)
            json.member("epoch", epoch)
            json.member("last_ordinal", lastOrdinal)
        }
    }

    fileprivate init?(_ json: JSONValue) {
        guard let source = json["source"]?.string.flatMap({ SourceName($0) }),
            let epoch = json.number("epoch"), let last = json.number("last_ordinal")
        else { return nil }
        self.init(source: source, epoch: epoch, lastOrdinal: last)
    }
}

extension StoreIntent {
    fileprivate func write(into json: inout JSONWriter) {
        packet.write(into: &json)
        json.member("rows", rows)
        json.member("digest", digest)
        json.member("layout", layout)
        json.member("sources", each: ranges) { range, json in
            json.member("source", range.source.text)
            json.member("epoch", range.epoch)
            json.member("first_ordinal", range.first)
            json.member("last_ordinal", range.last)
        }
    }

    fileprivate init?(_ json: JSONValue) {
        guard let packet = TapePacket(json), let rows = json.number("rows"), rows > 0,
            let digest = json["digest"]?.uint64, let layout = json["layout"]?.uint64,
            let ranges = json.sources({ OrdinalRange($0) }, { $0.source })
        else { return nil }
        self.init(packet: packet, ranges: ranges, rows: rows, digest: digest, layout: layout)
    }
}

extension OrdinalRange {
    fileprivate init?(_ json: JSONValue) {
        guard let source = json["source"]?.string.flatMap({ SourceName($0) }),
            let epoch = json.number("epoch"), let first = json.number("first_ordinal"),
            let last = json.number("last_ordinal")
        else { return nil }
        self.init(source: source, epoch: epoch, first: first, last: last)
    }
}
