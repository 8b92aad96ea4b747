import MarketModel
import Primitives
import StoreSinks
import TapeCodec
import TapeProtocol

extension SinkPosition {
    /// Writes the position in the form that `advance_positions` takes. Without a position on the
    /// tape there is nothing to store.
    func write(into json: inout JSONWriter) {
        guard let position else { return }
        json.object { json in
            writePlace(position, into: &json)
            if !apart.left.isEmpty {
                json.array("apart") { json in
                    for group in apart.left.sorted(by: { $0.rawValue < $1.rawValue }) {
                        if let own = apart[group] { own.write(group, into: &json) }
                    }
                }
            }
            if !apart.joined.isEmpty {
                json.object("joined") { json in
                    for (group, sequence) in apart.joined { json.member(group.rawValue, sequence) }
                }
                if apart.isJoinedPartly { json.member("joined_partly", true) }
            }
            if tapeTime.isDefined { json.member("tape_time_ns", tapeTime.nanoseconds) }
            if sentTime.isDefined { json.member("sent_time_ns", sentTime.nanoseconds) }
            if hasLeftOut { json.member("left_out", true) }
            json.array("sources") { json in for source in sources { write(source, into: &json) } }
            let changed = stretches + sources.compactMap(\.stretch).filter(\.isChanged)
            if !changed.isEmpty {
                json.array("stretches", of: changed) { json, stretch in stretch.write(into: &json) }
            }
            if !changes.isEmpty {
                json.array("changes", of: changes) { json, change in change.write(into: &json) }
            }
            if members.isNew, let groups = members.groups {
                json.object("groups") { json in
                    for (source, group) in groups.sorted(by: { $0.key < $1.key }) {
                        json.member(source.text, group.text)
                    }
                }
            }
            guard !gaps.isEmpty else { return }
            json.array("gaps") { json in for gap in gaps { gap.write(into: &json) } }
        }
    }

    /// Writes the key, the owner's epoch and the place on the tape.
    fileprivate func writePlace(_ position: TapePosition?, into json: inout JSONWriter) {
        json.member("input", input.rawValue)
        json.member("partition", partition.number)
        json.member("owner_epoch", ownerEpoch)
        guard let position else { return }
        json.member("stream_created_ns", position.streamCreated.nanoseconds)
        json.member("sequence", position.sequence)
        json.member("packet_epoch", position.packet.epoch)
        json.member("packet_ordinal", position.packet.firstOrdinal)
        json.member("packet_crc", Int64(bitPattern: position.packet.checksum))
    }

    fileprivate func write(_ account: SourceAccount, into json: inout JSONWriter) {
        json.object { json in
            json.member("source", account.source.text)
            json.member("first_ordinal", account.firstOrdinal)
            json.member("last_ordinal", account.lastOrdinal)
            json.member("written", account.written)
            json.member("dead_lettered", account.deadLettered)
            json.member("skipped", account.skipped)
            json.member("epoch", account.epoch)
            json.member("tape_ordinal", account.tapeOrdinal)
            if account.begun.isDefined { json.member("begun_ns", account.begun.nanoseconds) }
            json.member("given_twice", account.givenTwice)
            json.member("apart", account.apart)
        }
    }

    /// Writes the position of a group of tables in the form that `advance_group` takes. `sequence`
    /// is where the group was before.
    func write(after sequence: UInt64, into json: inout JSONWriter) {
        json.object { json in
            writePlace(position, into: &json)
            json.member("from_sequence", sequence)
            if tapeTime.isDefined { json.member("tape_time_ns", tapeTime.nanoseconds) }
            if sentTime.isDefined { json.member("sent_time_ns", sentTime.nanoseconds) }
            json.array("sources") { json in for source in sources { write(source, into: &json) } }
            if !changes.isEmpty {
                json.array("changes", of: changes) { json, change in change.write(into: &json) }
            }
            let holes = gaps.filter { $0.reason == .hole }
            guard !holes.isEmpty else { return }
            json.array("gaps") { json in for hole in holes { hole.write(into: &json) } }
        }
    }
}

extension ApartGroup {
    /// Writes the row that begins it.
    fileprivate func write(_ group: TableGroup, into json: inout JSONWriter) {
        json.object { json in
            position.writePlace(position.position, into: &json)
            json.member("table_group", group.rawValue)
            json.member("table_name", reason.table.rawValue)
            json.member("reason", reason.text)
            json.member("since_ns", reason.since.nanoseconds)
            if position.tapeTime.isDefined {
                json.member("tape_time_ns", position.tapeTime.nanoseconds)
            }
            if position.sentTime.isDefined {
                json.member("sent_time_ns", position.sentTime.nanoseconds)
            }
            json.array("sources") { json in
                for source in position.sources { position.write(source, into: &json) }
            }
        }
    }

    /// Reads a row of `apart_groups`, as the database writes it as JSON; `nil` when one of its
    /// values cannot be read.
    init?(_ row: JSONValue, _ place: SinkPlace) {
        guard let epoch = row["owner_epoch"]?.signed, let sequence = row["sequence"]?.uint64,
            let table = row["table_name"]?.string.flatMap({ SinkName(rawValue: $0) }),
            let text = row["reason"]?.string, let since = row["since_ns"]?.signed,
            let entries = row["sources"]?.array
        else { return nil }
        let sources = entries.compactMap { SinkPosition.SourceAccount($0) }
        guard sources.count == entries.count else { return nil }
        var own = SinkPosition(
            input: place.input, partition: place.partition, ownerEpoch: epoch)
        own.sources = sources
        if let time = row["tape_time_ns"]?.signed { own.tapeTime = Timestamp(nanoseconds: time) }
        if let time = row["sent_time_ns"]?.signed { own.sentTime = Timestamp(nanoseconds: time) }
        let ordinals = sources.map {
            SourceOrdinal(source: $0.source, epoch: $0.epoch, lastOrdinal: $0.tapeOrdinal)
        }
        if sequence > 0 {
            guard let created = row["stream_created_ns"]?.signed,
                let packetEpoch = row["packet_epoch"]?.signed,
                let ordinal = row["packet_ordinal"]?.signed,
                let checksum = row["packet_crc"]?.signed
            else { return nil }
            own.position = TapePosition(
                streamCreated: Timestamp(nanoseconds: created), sequence: sequence,
                packet: PacketIdentity(
                    epoch: UInt64(bitPattern: packetEpoch),
                    firstOrdinal: UInt64(bitPattern: ordinal),
                    checksum: UInt64(bitPattern: checksum)), sources: ordinals)
        } else if !sources.isEmpty {
            own.position = .start(sources: ordinals)
        }
        position = own
        reason = Reason(table: table, text: text, since: Timestamp(nanoseconds: since))
    }
}

extension SinkGap {
    /// Writes the gap in the form that `advance_positions` takes. The database has signed numbers,
    /// so ordinals beyond `Int64` become its maximum.
    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("source", source.text)
            json.member("first_ordinal", Int64(clamping: ordinals.lowerBound))
            json.member("last_ordinal", Int64(clamping: ordinals.upperBound))
            json.member("reason", reason.rawValue)
            json.member("detail", "epoch \(epoch)")
        }
    }
}

extension StoredStretch {
    /// Writes the stretch in the form that `advance_positions` takes.
    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("source", source.text)
            json.member("first_ordinal", firstOrdinal)
            json.member("last_ordinal", lastOrdinal)
            json.member("from_us", takenFrom)
            for (name, value) in [
                ("starts", \Point.start), ("delays_us", \.delay), ("apart_ms", \.apart),
            ] {
                json.array(name) { json in for point in points { json.value(point[keyPath: value]) }
                }
            }
        }
    }
}

extension JSONValue {
    fileprivate var signed: Int64? { int.map { Int64($0) } }
}
