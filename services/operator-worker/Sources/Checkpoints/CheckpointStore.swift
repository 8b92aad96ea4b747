import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import StreamCore
import TapeTransport

/// Reads and writes the checkpoints of one partition.
///
/// It writes the parts first, then the head by compare-and-set, and then removes the rest of an
/// older checkpoint. So the parts of every head that can be read exist. Three slots are used in
/// turn, so the two valid checkpoints are not touched while a third one is written. One thread owns
/// it, and every call blocks.
///
/// The *head* lists the valid checkpoints and their writer's epoch. A *part* is a piece of a
/// checkpoint's bytes in one key. A *slot* is here one of the three sets of keys for parts. A
/// *revision* is the bucket's number of a key's last write; a write that expects another revision
/// fails. That is the compare-and-set.
struct CheckpointStore<Bucket: CheckpointBucket> {
    let bucket: Bucket
    let keys: CheckpointKeys
    let partBytesMax: Int

    /// The head as it was last read or written; `nil` when it has to be read (again).
    private var known: Known?
    /// Numbers of damaged checkpoints, which are not kept.
    private var damaged: Set<UInt64> = []
    /// The known revisions of keys, from this store's last read or write. A key without one has to
    /// be read before it is written.
    private var revisions: [String: UInt64] = [:]
    /// By slot, the number of parts that the bucket may hold; `nil` when they have to be listed.
    private var partCounts: [Int]?

    private struct Known {
        /// `nil` when there is none, or it is damaged.
        var head: CheckpointHead?
        /// The revision of the head's key; 0 when there is none.
        var revision: UInt64
        /// What is damaged in it; `nil` when nothing is.
        var damage: String?
    }

    init(
        _ bucket: Bucket, partition: Int, partBytesMax: Int = KeyValueLimits.valueBytesMax
    ) {
        self.bucket = bucket
        keys = CheckpointKeys(partition: partition)
        self.partBytesMax = partBytesMax
    }

    /// Forgets what is known of keys, because a call failed with an unknown outcome. Damaged
    /// checkpoints stay known.
    mutating func forget() {
        known = nil
        partCounts = nil
        revisions = [:]
    }

    // MARK: reading

    /// Takes ownership of the checkpoints for the owner that publishes in this epoch. An earlier
    /// writer that still runs notices this before it changes another part. Returns descriptions of
    /// damage that is now overwritten. A head that was read before is expected still to be there,
    /// so it is not read again unless it has changed.
    mutating func claim(epoch: UInt64) throws(CheckpointFailure) -> [String] {
        var damage: [String] = []
        for attempt in 0..<CheckpointTimes.triesMax {
            damage = []
            if attempt > 0 { known = nil }
            let now = try readHead(&damage)
            // A new head states neither generation nor definition.
            var head =
                now.head ?? CheckpointHead(epoch: 0, generation: 0, definition: 0, entries: [])
            guard head.epoch < epoch else {
                // Without a write nothing shows that it has not changed.
                known = nil
                return damage
            }
            head.epoch = epoch
            if try putHead(head, over: now) { return damage }
        }
        throw .contended(key: keys.head)
    }

    /// Reads the head, and the newest checkpoint of these settings whose parts are complete.
    /// `isClaimed` means that `claim` has just written the head, so that it need not be read.
    mutating func load(
        definition: UInt64, generation: UInt32, program: GraphProgram,
        universe: UniverseProgram? = nil, isClaimed: Bool = false
    ) throws(CheckpointFailure) -> StoredCheckpoints {
        var found = StoredCheckpoints()
        if !isClaimed { known = nil }
        let now = try readHead(&found.damage)
        found.head = now.head
        guard let head = now.head, head.generation == generation, head.definition == definition
        else { return found }
        for entry in head.entries {
            if let candidate = try candidate(entry, head, program, universe, &found.damage) {
                found.candidate = candidate
                return found
            }
            damaged.insert(entry.manifest.number)
        }
        return found
    }

    /// Returns the known head, or reads it. A damaged head counts as none and is described.
    private mutating func readHead(
        _ damage: inout [String]
    ) throws(CheckpointFailure) -> Known {
        let now: Known
        if let known { now = known } else { now = try foundHead() }
        known = now
        if let problem = now.damage { damage.append(problem) }
        return now
    }

    private func foundHead() throws(CheckpointFailure) -> Known {
        guard let record = try read(keys.head) else { return Known(head: nil, revision: 0) }
        do throws(CheckpointError) {
            let head = try record.value.withRawSpan { span throws(CheckpointError) in
                try CheckpointHead(span)
            }
            return Known(head: head, revision: record.revision)
        } catch {
            return Known(
                head: nil, revision: record.revision, damage: "\(keys.head): \(error)")
        }
    }

    /// Reads and restores one checkpoint; `nil` when it is damaged.
    private func candidate(
        _ entry: CheckpointHead.Entry, _ head: CheckpointHead, _ program: GraphProgram,
        _ universe: UniverseProgram?, _ damage: inout [String]
    ) throws(CheckpointFailure) -> StoredCheckpoints.Candidate? {
        let number = entry.manifest.number
        let names = entry.manifest.parts.indices.map { keys.part($0, slot: Self.slot(of: number)) }
        // A missing part is noticed by the count.
        let parts = try read(all: names).compactMap { $0?.value }
        do throws(CheckpointError) {
            let bytes = try entry.manifest.assemble(parts)
            let (checkpoint, state) = try bytes.withRawSpan { span throws(CheckpointError) in
                try OperatorCheckpoint.restore(span) { span throws(CheckpointError) in
                    try StoredCheckpoints.State(program, universe, restoring: span)
                }
            }
            guard checkpoint.definition == head.definition,
                checkpoint.generation == head.generation, checkpoint.output == entry.output,
                let input = checkpoint.input.withRawSpan({ CheckpointInput($0) })
            else {
                damage.append("checkpoint \(number) does not fit its head")
                return nil
            }
            return StoredCheckpoints.Candidate(
                number: number, output: checkpoint.output, input: input,
                machine: state.machine, universe: state.universe)
        } catch {
            damage.append("checkpoint \(number): \(error)")
            return nil
        }
    }

    /// Returns a person's request to rebuild the partition's bars; `nil` when there is none, or
    /// when it cannot be used.
    func rebuildRequest() throws(CheckpointFailure) -> RebuildRequest? {
        guard let value = try read(keys.request)?.value else { return nil }
        do throws(VersionedJSON.Refusal) {
            return try RebuildRequest(json: value)
        } catch {
            // `CheckpointResponder.requests` reports it.
            return nil
        }
    }

    // MARK: writing

    /// Returns the slot whose keys hold the parts of a checkpoint.
    static func slot(of number: UInt64) -> Int { Int(number % CheckpointTimes.slots) }

    /// Writes an image as the next checkpoint. `epoch` is that of the partition's lane.
    mutating func write(
        _ image: CheckpointImage, epoch: UInt64
    ) throws(CheckpointFailure) -> CheckpointOutcome {
        for _ in 0..<CheckpointTimes.triesMax {
            var damage: [String] = []
            let now = try readHead(&damage)
            if let head = now.head, let reason = head.reasonToLeave(image, epoch: epoch) {
                return .superseded(reason)
            }
            if let number = try write(image, epoch: epoch, over: now) {
                if image.endsRequest { try remove(keys.request) }
                return .stored(number: number)
            }
            known = nil
        }
        throw .contended(key: keys.head)
    }

    /// Writes once; returns `nil` when another writer changed a key.
    private mutating func write(
        _ image: CheckpointImage, epoch: UInt64, over now: Known
    ) throws(CheckpointFailure) -> UInt64? {
        let kept =
            image.isBase
            ? [] : (now.head?.entries.filter { !damaged.contains($0.manifest.number) } ?? [])
        let number = Self.next(after: now.head)
        let slot = Self.slot(of: number)
        let listed = try listedParts()[slot]
        let manifest = try manifest(image, number: number)
        let parts = manifest.parts.count
        let names = (0..<parts).map { keys.part($0, slot: slot) }
        // The revisions of the parts are read before the head is checked for the last time. So an
        // owner that takes ownership afterwards cannot be overwritten.
        if try readRevisions(of: names) {
            known = nil
            var damage: [String] = []
            guard try readHead(&damage).revision == now.revision else { return nil }
        }
        // From here on the slot may hold more parts than were listed.
        partCounts?[slot] = max(listed, parts)
        for (index, key) in names.enumerated() {
            let bytes = Array(image.bytes[manifest.range(ofPart: index)])
            guard try put(key, bytes) else { return nil }
        }
        let head = CheckpointHead(
            epoch: epoch, generation: image.generation, definition: image.definition,
            entries: [CheckpointHead.Entry(manifest: manifest, output: image.output)]
                + kept.prefix(1))
        guard try putHead(head, over: now) else { return nil }
        for index in parts..<max(listed, parts) { try remove(keys.part(index, slot: slot)) }
        partCounts?[slot] = parts
        return number
    }

    /// Writes the head; returns false when another writer has changed it.
    private mutating func putHead(
        _ head: CheckpointHead, over now: Known
    ) throws(CheckpointFailure) -> Bool {
        var bytes: [UInt8] = []
        head.encode(into: &bytes)
        revisions[keys.head] = now.revision
        // The head is unknown until the outcome is known.
        known = nil
        guard try put(keys.head, bytes), let revision = revisions[keys.head] else { return false }
        known = Known(head: head, revision: revision)
        return true
    }

    /// Reads the revisions of keys that are not known. Returns whether there were any.
    private mutating func readRevisions(of names: [String]) throws(CheckpointFailure) -> Bool {
        var isNew = false
        for key in names where revisions[key] == nil {
            revisions[key] = try read(key)?.revision ?? 0
            isNew = true
        }
        return isNew
    }

    /// Returns the next number whose slot holds none of the checkpoints that the head lists.
    private static func next(after head: CheckpointHead?) -> UInt64 {
        let stored = head?.entries.map(\.manifest.number) ?? []
        var number = (stored.max() ?? 0) + 1
        while stored.contains(where: { slot(of: $0) == slot(of: number) }) { number += 1 }
        return number
    }

    /// Returns the numbers and checksums of the parts that the image is cut into.
    private func manifest(
        _ image: CheckpointImage, number: UInt64
    ) throws(CheckpointFailure) -> CheckpointManifest {
        do throws(CheckpointError) {
            return try image.bytes.withRawSpan { span throws(CheckpointError) in
                try CheckpointManifest(number: number, of: span, partBytesMax: partBytesMax)
            }
        } catch {
            throw .bytes(error)
        }
    }

    /// Returns the number of parts per slot. They are listed once and then remembered.
    private mutating func listedParts() throws(CheckpointFailure) -> [Int] {
        if let partCounts { return partCounts }
        var counts: [Int] = []
        for slot in 0..<Int(CheckpointTimes.slots) {
            do throws(JetStreamError) {
                let found = try bucket.keys(keys.parts(slot: slot))
                let last = found.compactMap { $0.split(separator: ".").last.flatMap { Int($0) } }
                counts.append((last.max() ?? -1) + 1)
            } catch {
                throw .bucket(error)
            }
        }
        partCounts = counts
        return counts
    }

    // MARK: single keys

    private func read(_ key: String) throws(CheckpointFailure) -> CheckpointRecord? {
        do throws(JetStreamError) {
            return try bucket.read(key)
        } catch {
            throw .bucket(error)
        }
    }

    /// Returns the values of several keys, which are read at the same time.
    private func read(all keys: [String]) throws(CheckpointFailure) -> [CheckpointRecord?] {
        do throws(JetStreamError) {
            return try bucket.read(all: keys)
        } catch {
            throw .bucket(error)
        }
    }

    /// Writes a key by compare-and-set on its known revision. Returns false when another writer was
    /// faster; the caller then has to read the head again.
    private mutating func put(_ key: String, _ value: [UInt8]) throws(CheckpointFailure) -> Bool {
        guard let expected = revisions[key] else { return false }
        var reason = ""
        for _ in 0..<CheckpointTimes.triesMax {
            do throws(JetStreamError) {
                switch try bucket.write(key, value, expected: expected) {
                case .stored(let revision):
                    revisions[key] = revision
                    return true
                case .conflict:
                    // It may be our own write, whose answer was lost.
                    let record = try bucket.read(key)
                    let isOurs = record?.value == value && !reason.isEmpty
                    revisions[key] = isOurs ? record?.revision : nil
                    return isOurs
                // Writing the same bytes with the same expectation finds out.
                case .unknown(let text): reason = text
                }
            } catch {
                revisions[key] = nil
                throw .bucket(error)
            }
        }
        revisions[key] = nil
        throw .unsettled(key: key, reason: reason)
    }

    /// Removes a key. A value that another writer stored meanwhile stays.
    private mutating func remove(_ key: String) throws(CheckpointFailure) {
        guard let record = try read(key) else { return }
        revisions[key] = nil
        var reason = ""
        for _ in 0..<CheckpointTimes.triesMax {
            do throws(JetStreamError) {
                switch try bucket.remove(key, expected: record.revision) {
                case .stored, .conflict: return
                case .unknown(let text): reason = text
                }
            } catch {
                throw .bucket(error)
            }
        }
        throw .unsettled(key: key, reason: reason)
    }
}

/// The contents of a partition's keys.
struct StoredCheckpoints: Sendable {
    /// `nil` when there is none, or it is damaged.
    var head: CheckpointHead?
    /// The newest checkpoint that fits the worker's settings; `nil` when there is none.
    var candidate: Candidate?
    /// One sentence for each item that could not be used.
    var damage: [String] = []

    /// A checkpoint that was read and restored.
    struct Candidate: Sendable {
        var number: UInt64
        /// The end of the output that its state includes.
        var output: OutputLedger.End?
        var input: CheckpointInput
        var machine: GraphMachine
        var universe: UniverseMachine?
    }

    /// The restored machines. The share over all partitions has a machine of its own kind.
    fileprivate struct State {
        let machine: GraphMachine
        let universe: UniverseMachine?

        init(
            _ program: GraphProgram, _ universe: UniverseProgram?, restoring bytes: RawSpan
        ) throws(CheckpointError) {
            guard let universe else {
                machine = try GraphMachine(program, restoring: bytes)
                self.universe = nil
                return
            }
            machine = GraphMachine(program)
            self.universe = try UniverseMachine(universe, restoring: bytes)
        }
    }
}

extension CheckpointHead {
    /// Returns why a writer of this image must not change the partition's checkpoints; `nil` when
    /// it may.
    fileprivate func reasonToLeave(_ image: CheckpointImage, epoch: UInt64) -> String? {
        if self.epoch > epoch { return "an owner with epoch \(self.epoch) writes them" }
        if generation > image.generation { return "they are of generation \(generation)" }
        if generation == image.generation, definition != image.definition, !image.isBase {
            return "they are of another definition"
        }
        return nil
    }
}
