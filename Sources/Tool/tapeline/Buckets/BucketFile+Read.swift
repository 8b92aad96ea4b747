import Primitives
import ServiceRuntime
import TapeProtocol

// Reads a file, and finds all that is wrong with it.
extension BucketFile {
    /// Why a file is not used.
    struct Refusal: Error, Equatable {
        private(set) var problems: [String] = []
        private var more = 0

        mutating func add(_ problem: String) {
            if problems.count < BucketFile.problemsMax {
                problems.append(problem)
            } else {
                more += 1
            }
        }

        var lines: [String] { problems + (more > 0 ? ["and \(more) more"] : []) }
    }

    /// What is wrong with a header.
    private enum HeaderProblem: Error {
        case damaged(String)
        /// It is of something else, so its lines mean something else, too.
        case foreign(String)
    }

    private struct Header {
        let time: Timestamp
        let entries: Int
        let checksum: String
    }

    /// Reads a whole file for this namespace.
    init(_ bytes: [UInt8], for names: TapeNames) throws(Refusal) {
        var refusal = Refusal()
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
            refusal.add(bytes.isEmpty ? "it is empty" : "line 1: the file ends in it")
            throw refusal
        }
        var header: Header?
        do throws(HeaderProblem) {
            header = try Self.header(bytes[..<end], names)
        } catch {
            switch error {
            case .damaged(let problem): refusal.add("line 1: \(problem)")
            case .foreign(let problem):
                refusal.add("line 1: \(problem)")
                throw refusal
            }
        }
        let rest = bytes[(end + 1)...]
        let lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // What follows the last end of a line is empty.
        let entries = Self.entries(lines.dropLast(), names, &refusal)
        if let last = lines.last, !last.isEmpty {
            refusal.add("line \(lines.count + 1): the file ends in it")
        }
        if let header, lines.count - 1 != header.entries {
            refusal.add("it has \(lines.count - 1) values, the header says \(header.entries)")
        } else if let header, Self.checksum(rest) != header.checksum {
            refusal.add("its checksum is another one than the header says: it was changed")
        }
        guard let header, refusal.problems.isEmpty else { throw refusal }
        self.init(names, time: header.time, entries: entries)
    }

    private static func header(
        _ line: ArraySlice<UInt8>, _ names: TapeNames
    ) throws(HeaderProblem) -> Header {
        guard line.count <= lineBytesMax else { throw .damaged("it is too long") }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue.parse(Array(line))
        } catch {
            throw .foreign("it is no header of 'tapeline buckets export': \(error)")
        }
        guard let version = json[mark]?.int, version >= 1 else {
            throw .foreign("it is no header of 'tapeline buckets export'")
        }
        guard version <= Self.version else {
            throw .foreign(
                "a newer release wrote it (version \(version), this program knows "
                    + "\(Self.version)): import it with that release")
        }
        guard let namespace = json["namespace"]?.string, let partitions = json["partitions"]?.int
        else { throw .damaged("it names no namespace, or no number of partitions") }
        guard namespace == names.namespace, partitions == names.partitions else {
            throw .foreign(
                "it is of the namespace \(namespace.prefix(40)) with \(partitions) partitions, and "
                    + "this is \(names.namespace) with \(names.partitions)")
        }
        guard let time = json["exported_ns"]?.int, let entries = json["entries"]?.int,
            let checksum = json["checksum"]?.string
        else { throw .damaged("it has no time, no number of values or no checksum") }
        return Header(
            time: Timestamp(nanoseconds: Int64(time)), entries: entries, checksum: checksum)
    }

    private static func entries(
        _ lines: ArraySlice<ArraySlice<UInt8>>, _ names: TapeNames, _ refusal: inout Refusal
    ) -> [Entry] {
        var entries: [Entry] = []
        var places: [[String]: Int] = [:]
        for (index, line) in lines.enumerated() {
            let number = index + 2
            do throws(VersionedJSON.Refusal) {
                let entry = try entry(line, names)
                if let other = places[[entry.bucket.rawValue, entry.key]] {
                    throw .damaged("\(entry.key) is in line \(other), too")
                }
                places[[entry.bucket.rawValue, entry.key]] = number
                entries.append(entry)
            } catch {
                refusal.add("line \(number): \(error)")
            }
        }
        return entries
    }

    private static func entry(
        _ line: ArraySlice<UInt8>, _ names: TapeNames
    ) throws(VersionedJSON.Refusal) -> Entry {
        guard line.count <= lineBytesMax else {
            throw .damaged("\(line.count) bytes, \(lineBytesMax) are the most")
        }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue.parse(Array(line))
        } catch {
            throw .damaged("\(error)")
        }
        guard let bucket = json["bucket"]?.string.flatMap({ SmallBucket(rawValue: $0) }),
            let key = json["key"]?.string, let value = json["value"],
            let time = json["stored_ns"]?.int
        else { throw .damaged("it has no bucket, key, time or value") }
        let shown = key.prefix(100)
        switch BucketKey(key, in: bucket, partitions: names.partitions) {
        case .unknown: throw .damaged("\(shown) is no key that is known")
        case .madeAgain: throw .damaged("\(shown) is never imported: a service makes it again")
        case .kept(let kind):
            var bytes = JSONWriter(capacity: line.count)
            bytes.value(value)
            do throws(VersionedJSON.Refusal) {
                return try Entry(
                    bucket, key, kind, value: bytes.bytes,
                    time: Timestamp(nanoseconds: Int64(time)))
            } catch {
                throw error.prefixed("\(shown): ")
            }
        }
    }
}

extension VersionedJSON.Refusal {
    fileprivate func prefixed(_ text: String) -> VersionedJSON.Refusal {
        switch self {
        case .damaged(let problem): .damaged(text + problem)
        case .newer(let news): .newer(text + news)
        }
    }
}
