package import MarketModel
package import Primitives

/// What was loaded into one source, in the bucket of sources. Two people may load the same source.
package typealias LoadStore = SourceValueStore<SourceLoads>

/// What was loaded into one source: the value of the key `load.<source>.ranges` in the bucket of
/// sources. People's tool writes and reads it; services do not.
package struct SourceLoads: SourceValue {
    package static func key(of source: SourceName) -> String { "load.\(source).ranges" }

    static let version = 1

    /// The most ranges. Beyond it a further one needs another source.
    package static let rangesMax = 64
    /// The most bytes of the stored value. Larger ones are refused.
    package static let bytesMax = 256 << 10

    /// In the order in which they were begun.
    package private(set) var ranges: [LoadRange] = []

    package init() {}

    /// Adds a range, or replaces what is noted of the same one.
    package mutating func set(_ range: LoadRange) {
        if let index = ranges.firstIndex(where: { $0.isSame(as: range) }) {
            ranges[index] = range
        } else {
            ranges.append(range)
        }
    }

    /// Why it cannot be stored; `nil` if it can.
    package var problem: String? {
        if ranges.count > Self.rangesMax {
            return "\(ranges.count) ranges would be noted, and \(Self.rangesMax) are the most"
        }
        let bytes = json.count
        return bytes > Self.bytesMax
            ? "the record would have \(bytes) bytes, and \(Self.bytesMax) are the most" : nil
    }

    // MARK: JSON

    package var json: [UInt8] {
        JSONWriter.made(capacity: 64 + ranges.count * 256, version: Self.version) { json in
            json.array("ranges") { list in for range in ranges { range.write(into: &list) } }
        }.bytes
    }

    /// Reads a stored value. When any part is damaged, none of it is used.
    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let stored = json["ranges"]?.array, stored.count <= Self.rangesMax else {
            throw .damaged("it has no ranges, or more than \(Self.rangesMax)")
        }
        for one in stored {
            let range = try LoadRange(one)
            guard !ranges.contains(where: { $0.isSame(as: range) }) else {
                throw .damaged("a range is there twice")
            }
            ranges.append(range)
        }
    }
}
