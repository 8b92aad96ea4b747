import Primitives
import StoreIntents

/// The bucket of the records, with compare-and-set.
struct SimulatedRecords {
    private struct Entry {
        var bytes: [UInt8]?
        var revision: UInt64
    }

    private var entries: [Int: Entry] = [:]
    private var copy: [Int: Entry] = [:]
    private var last: UInt64 = 0

    /// Returns the revision; `nil` when the last write is another one.
    mutating func write(_ place: Int, _ record: IntentRecord, expected: UInt64) -> UInt64? {
        guard entries[place]?.revision ?? 0 == expected else { return nil }
        last += 1
        entries[place] = Entry(bytes: record.json, revision: last)
        return last
    }

    func read(_ place: Int) -> IntentMachine.Answer {
        guard let entry = entries[place] else { return .read(nil, revision: 0) }
        guard let bytes = entry.bytes else { return .read(nil, revision: entry.revision) }
        do throws(VersionedJSON.Refusal) {
            return .read(try IntentRecord(json: bytes), revision: entry.revision)
        } catch {
            return .refused(error)
        }
    }

    /// The record; `nil` when there is none.
    func record(_ place: Int) -> IntentRecord? {
        guard case .read(let record, _) = read(place) else { return nil }
        return record
    }

    mutating func keepCopy() { copy = entries }

    /// Restores a record from the copy, or deletes it.
    mutating func damage(_ place: Int, isDeleted: Bool) {
        if isDeleted || copy[place] == nil {
            last += 1
            entries[place] = Entry(bytes: nil, revision: last)
        } else {
            entries[place] = copy[place]
        }
    }
}
