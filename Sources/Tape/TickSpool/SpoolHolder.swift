internal import MarketModel
internal import Primitives

/// The epochs that the holder of a spool opened, as stored in the file `holder`. If the tape's last
/// epoch is none of them, another process has been the owner of the source since.
struct SpoolHolder: Equatable {
    static let fileName = "holder"
    private static let version = 1
    /// The most epochs that are kept per partition. Beyond it the oldest are dropped.
    static let epochsMax = 64

    var source: SourceName
    /// The epochs of each partition, ascending.
    private(set) var epochs: [Partition: [UInt64]] = [:]

    init(source: SourceName) { self.source = source }

    /// Adds an epoch. Returns false when it is known already.
    mutating func open(_ epoch: UInt64, _ partition: Partition) -> Bool {
        var known = epochs[partition] ?? []
        if known.contains(epoch) { return false }
        known.append(epoch)
        known.sort()
        epochs[partition] = known.suffix(Self.epochsMax)
        return true
    }

    /// Keeps the latest epoch of each partition. Call it when nothing is spooled from older epochs.
    mutating func keepLatest() { epochs = epochs.mapValues { Array($0.suffix(1)) } }

    // MARK: JSON

    var json: [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("version", Self.version)
            json.member("source", source.text)
            json.array("partitions") { json in
                for (partition, epochs) in epochs.sorted(by: { $0.key < $1.key }) {
                    json.object { json in
                        json.member("partition", partition.number)
                        json.array("epochs") { json in epochs.forEach { json.value($0) } }
                    }
                }
            }
        }
        return json.bytes + Array("\n".utf8)
    }

    /// What a folder has as its holder.
    enum Found: Equatable {
        /// There is no file.
        case none
        case damaged
        /// A later version of the program wrote it.
        case newer
        case holder(SpoolHolder)
    }

    /// Reads the file's content; `nil`: there is no file.
    static func parse(_ bytes: [UInt8]?) -> Found {
        guard let bytes else { return .none }
        guard let document = JSONValue.parsed(bytes), let version = document["version"]?.int else {
            return .damaged
        }
        if version > Self.version { return .newer }
        guard let source = document["source"]?.string.flatMap(SourceName.init),
            let partitions = document["partitions"]?.array
        else { return .damaged }
        var holder = SpoolHolder(source: source)
        for entry in partitions {
            guard let number = entry["partition"]?.int,
                (0..<Partition.countRange.upperBound).contains(number),
                let epochs = entry["epochs"]?.array?.compactMap(\.uint64)
            else { return .damaged }
            holder.epochs[Partition(number)] = epochs.sorted().suffix(epochsMax)
        }
        return .holder(holder)
    }
}
