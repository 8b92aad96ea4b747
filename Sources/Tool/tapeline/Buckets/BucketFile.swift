import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol

/// A file of what only the buckets of NATS have: a line with a header, then a line per value. Pure.
///
/// The header has the number of the lines after it, and their checksum. So a file that was cut off
/// or changed is not taken for a whole one.
struct BucketFile: Equatable, Sendable {
    static let version = 1
    /// The most bytes of a file. The bucket of sources itself takes 16 MiB.
    static let bytesMax = 32 << 20
    /// The most bytes of a line: a value, and what is said of it.
    static let lineBytesMax = KeyValueLimits.valueBytesMax + 4_096
    /// The most problems that are listed; the others are counted.
    static let problemsMax = 100
    static let mark = "tapeline_buckets"

    /// A value of a bucket.
    struct Entry: Equatable, Sendable {
        let bucket: SmallBucket
        let key: String
        let kind: BucketKey.Kind
        /// When it was stored.
        let time: Timestamp
        let value: [UInt8]
    }

    let namespace: String
    let partitions: Int
    /// When the export began.
    let time: Timestamp
    let entries: [Entry]

    init(_ names: TapeNames, time: Timestamp, entries: [Entry]) {
        namespace = names.namespace
        partitions = names.partitions
        self.time = time
        self.entries = entries
    }

    /// How many entries there are of each kind, in the order of the kinds.
    var counts: [(word: String, count: Int)] { Self.counts(entries.map(\.kind)) }

    static func counts(_ kinds: [BucketKey.Kind]) -> [(word: String, count: Int)] {
        BucketKey.Kind.words.map { word in (word, kinds.count { $0.word == word }) }
    }

    // MARK: writing

    var bytes: [UInt8] {
        var lines: [UInt8] = []
        for entry in entries {
            lines += entry.line
            lines.append(UInt8(ascii: "\n"))
        }
        var json = JSONWriter()
        json.object { json in
            json.member(Self.mark, Self.version)
            json.member("namespace", namespace)
            json.member("partitions", partitions)
            json.member("exported", time: time)
            json.member("entries", entries.count)
            json.object("counts") { json in for (word, count) in counts { json.member(word, count) }
            }
            json.member("checksum", Self.checksum(lines[...]))
        }
        return json.bytes + [UInt8(ascii: "\n")] + lines
    }

    static func checksum(_ lines: ArraySlice<UInt8>) -> String {
        let digits = String(Array(lines).withRawSpan { Checksum.of($0) }, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension BucketFile.Entry {
    /// The line without its end.
    var line: [UInt8] {
        JSONWriter.made(capacity: value.count + 160) { json in
            json.member("bucket", bucket.rawValue)
            json.member("key", key)
            json.member("stored", time: time)
            json.key("value")
            json.literal(String(decoding: value, as: UTF8.self))
        }.bytes
    }

    /// Makes an entry of a stored value. The value is written anew, because one that a person put
    /// there may have several lines. Throws why it cannot be used.
    init(
        _ bucket: SmallBucket, _ key: String, _ kind: BucketKey.Kind, value: [UInt8],
        time: Timestamp
    ) throws(VersionedJSON.Refusal) {
        if let refusal = kind.problem(of: value) { throw refusal }
        var json = JSONWriter(capacity: value.count)
        do throws(JSONError) {
            json.value(try JSONValue.parse(value))
        } catch {
            throw .damaged("\(error)")
        }
        guard json.bytes.count <= KeyValueLimits.valueBytesMax else {
            throw .damaged("it has more than \(KeyValueLimits.valueBytesMax) bytes")
        }
        self.init(bucket: bucket, key: key, kind: kind, time: time, value: json.bytes)
    }
}
