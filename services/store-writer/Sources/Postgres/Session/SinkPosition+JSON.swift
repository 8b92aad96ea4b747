import MarketModel
import Primitives
import StoreSinks
import TapeCodec

extension SinkPosition {
    /// Writes the position in the form that `advance_positions` takes. Without a position on the
    /// tape there is nothing to store.
    func write(into json: inout JSONWriter) {
        guard let position else { return }
        json.object { json in
            json.member("input", input.rawValue)
            json.member("partition", partition.number)
            json.member("owner_epoch", ownerEpoch)
            json.member("stream_created_ns", position.streamCreated.nanoseconds)
            json.member("sequence", position.sequence)
            json.member("packet_epoch", position.packet.epoch)
            json.member("packet_ordinal", position.packet.firstOrdinal)
            json.member("packet_crc", Int64(bitPattern: position.packet.checksum))
            if tapeTime.isDefined { json.member("tape_time_ns", tapeTime.nanoseconds) }
            if sentTime.isDefined { json.member("sent_time_ns", sentTime.nanoseconds) }
            if hasLeftOut { json.member("left_out", true) }
            json.array("sources") { json in for source in sources { write(source, into: &json) } }
            let changed = stretches + sources.compactMap(\.stretch).filter(\.isChanged)
            if !changed.isEmpty {
                json.array("stretches") { json in
                    for stretch in changed { stretch.write(into: &json) }
                }
            }
            if !changes.isEmpty {
                json.array("changes") { json in for change in changes { change.write(into: &json) }
                }
            }
            if hasNewGroups, let groups {
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

    private func write(_ account: SourceAccount, into json: inout JSONWriter) {
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
        }
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
