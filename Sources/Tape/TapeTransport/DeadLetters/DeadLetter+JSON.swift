internal import MarketModel
internal import Primitives

// Each letter is one line of JSON, in the stream and in files. 64-bit numbers are JSON numbers. A
// reader that uses doubles loses digits of times, so times are also there as text.
extension DeadLetter {
    static let version = 1

    package var json: [UInt8] {
        JSONWriter.made(capacity: 1_024 + payload.count * 4 / 3, version: Self.version) { json in
            json.member("id", id)
            json.member("service", service)
            json.member("namespace", namespace)
            json.member("owner", owner)
            json.member("store_kind", storeKind)
            json.member("sink", sink)
            json.member("reason", reason.rawValue)
            json.member("sqlstate", refusal.sqlState)
            json.member("message", refusal.message)
            json.member("constraint", refusal.constraint)
            json.member("column", refusal.column)
            json.member("symbol", symbol)
            write("event_time", eventTime, into: &json)
            write("noted_at", notedAt, into: &json)
            write(place, into: &json)
            json.member("count", count)
            json.member("truncated", isTruncated)
            json.member("payload", Base64.encode(payload))
        }.bytes
    }

    private func write(_ place: Place, into json: inout JSONWriter) {
        json.member("input", place.input)
        json.member("partition", place.partition.number)
        json.member("source", place.source.text)
        json.member("epoch", place.epoch)
        json.member("ordinal", place.ordinal)
        json.member("stream", place.stream)
        write("stream_created", place.streamCreated, into: &json)
        json.member("sequence", place.sequence)
    }

    private func write(_ name: String, _ time: Timestamp, into json: inout JSONWriter) {
        if time.isDefined { json.member(name, time.description) }
        json.member("\(name)_ns", time.nanoseconds)
    }

    /// Why a line is no letter.
    package struct Unreadable: Error, Hashable, Sendable, CustomStringConvertible {
        package let problem: String

        package var description: String { "no dead letter of this version: \(problem)" }
    }

    package init(json: [UInt8]) throws(Unreadable) {
        let document: JSONValue
        do throws(VersionedJSON.Refusal) {
            document = try VersionedJSON.read(json, upTo: Self.version)
        } catch {
            throw Unreadable(problem: "\(error)")
        }
        let fields = Fields(document)
        guard let reason = Reason(rawValue: try fields.text("reason")) else {
            throw Unreadable(problem: "its reason is not known")
        }
        guard let payload = Base64.decode(try fields.text("payload")),
            payload.count <= Self.payloadBytesMax
        else { throw Unreadable(problem: "its payload is not base64, or too large") }
        self.init(
            service: try fields.text("service"), namespace: try fields.text("namespace"),
            owner: try fields.text("owner"), storeKind: try fields.text("store_kind"),
            sink: try fields.text("sink"), reason: reason,
            refusal: Refusal(
                sqlState: try fields.text("sqlstate"), message: try fields.text("message"),
                constraint: try fields.text("constraint"), column: try fields.text("column")),
            place: try fields.place(), count: try fields.unsigned("count"),
            symbol: try fields.text("symbol"), eventTime: try fields.time("event_time"),
            notedAt: try fields.time("noted_at"), payload: payload,
            isTruncated: document["truncated"]?.bool ?? false)
    }

    private struct Fields {
        let document: JSONValue

        init(_ document: JSONValue) { self.document = document }

        func text(_ name: String) throws(Unreadable) -> String {
            guard let text = document[name]?.string else { throw missing(name) }
            return text
        }

        func int(_ name: String) throws(Unreadable) -> Int {
            guard let number = document[name]?.int else { throw missing(name) }
            return number
        }

        func unsigned(_ name: String) throws(Unreadable) -> UInt64 {
            guard let number = document[name]?.uint64 else { throw missing(name) }
            return number
        }

        func time(_ name: String) throws(Unreadable) -> Timestamp {
            Timestamp(nanoseconds: Int64(try int("\(name)_ns")))
        }

        func place() throws(Unreadable) -> Place {
            let number = try int("partition")
            guard (0..<Partition.countRange.upperBound).contains(number) else {
                throw missing("partition")
            }
            guard let source = SourceName(try text("source")) else { throw missing("source") }
            return Place(
                input: try text("input"), partition: Partition(number), source: source,
                epoch: try unsigned("epoch"), ordinal: try unsigned("ordinal"),
                stream: try text("stream"), streamCreated: try time("stream_created"),
                sequence: try unsigned("sequence"))
        }

        private func missing(_ name: String) -> Unreadable {
            Unreadable(problem: "'\(name)' is missing or of another type")
        }
    }
}
