/// The limits of every bucket.
package enum KeyValueLimits {
    /// A larger value is refused before it is sent. Values are read through the JSON API, in
    /// base64.
    package static let valueBytesMax = 512 * 1024
    package static let keyBytesMax = 255
    package static let bucketBytesMax = 64
    /// Buckets with more keys cannot be listed, because the server names no more in one answer.
    package static let keysMax = 100_000
    /// The room for the headers of a write, which the stream's limit counts, too.
    static let headerBytesMax = 256
}

/// The wanted configuration of a bucket: a stream in the layout of `nats kv` (ADR-8), with one
/// value per key, in a file, read from the leader only.
package struct KeyValueConfiguration: Equatable, Sendable {
    /// `[A-Za-z0-9_-]`, at most `KeyValueLimits.bucketBytesMax`.
    package var bucket: String
    /// The limit of all values, headers and subjects together; -1: no limit. A full bucket refuses
    /// writes.
    package var bytesMax: Int64
    /// At most `KeyValueLimits.valueBytesMax`.
    package var valueBytesMax: Int
    package var replicas: Int
    /// Compared when the bucket exists already.
    package var metadata: [String: String]

    package init(
        bucket: String, bytesMax: Int64 = -1, valueBytesMax: Int = KeyValueLimits.valueBytesMax,
        replicas: Int = 1, metadata: [String: String] = [:]
    ) {
        self.bucket = bucket
        self.bytesMax = bytesMax
        self.valueBytesMax = valueBytesMax
        self.replicas = replicas
        self.metadata = metadata
    }

    /// The stream that holds the bucket.
    package var stream: StreamConfiguration {
        var stream = StreamConfiguration(
            name: "KV_\(bucket)", subjects: ["$KV.\(bucket).>"], maxBytes: bytesMax,
            maxMessageBytes: valueBytesMax + KeyValueLimits.headerBytesMax, replicas: replicas,
            metadata: metadata)
        stream.messagesMax.perSubject = 1
        stream.flags = [.allowRollup, .denyDelete]
        return stream
    }

    /// The problem of the configuration, or `nil`.
    var problem: String? {
        guard KeyValueKey.isBucket(bucket) else {
            return "a bucket has 1 to \(KeyValueLimits.bucketBytesMax) characters A-Z a-z 0-9 _ -"
        }
        guard (1...KeyValueLimits.valueBytesMax).contains(valueBytesMax) else {
            return "values have at most 1 to \(KeyValueLimits.valueBytesMax) bytes"
        }
        return nil
    }
}

/// The names of keys that ADR-6 allows.
package enum KeyValueKey {
    static func isBucket(_ text: String) -> Bool {
        (1...KeyValueLimits.bucketBytesMax).contains(text.utf8.count)
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == 0x5f || $0 == 0x2d }
    }

    /// Returns true for tokens of `[A-Za-z0-9-_/=]`, joined by dots, that are not reserved
    /// (`_kv...`).
    package static func isValid(_ key: String) -> Bool {
        guard (1...KeyValueLimits.keyBytesMax).contains(key.utf8.count), !key.hasPrefix("_kv")
        else { return false }
        return key.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            .allSatisfy { token in
                !token.isEmpty
                    && token.allSatisfy {
                        isAlphanumeric($0) || [0x2d, 0x5f, 0x2f, 0x3d].contains($0)
                    }
            }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
            || (0x61...0x7a).contains(byte)
    }
}
