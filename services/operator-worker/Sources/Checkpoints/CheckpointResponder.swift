import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// Does the jobs of one checkpoint thread, one at a time.
struct CheckpointResponder {
    private let client: TapeClient
    private let jetStream: JetStream
    private let settings: OperatorSettings
    private let telemetry: TelemetryHub
    private let tape: TapeLookup
    private let clock = SystemClock()
    /// The open bucket; `nil` when it has to be opened.
    private var bucket: KeyValueBucket?
    /// By partition, its store, with the revisions of keys that it has read or written in the
    /// present tenure.
    private var stores: [Int: CheckpointStore<KeyValueBucket>] = [:]

    init(_ client: TapeClient, _ settings: OperatorSettings, _ telemetry: TelemetryHub) {
        self.client = client
        self.settings = settings
        self.telemetry = telemetry
        jetStream = client.jetStream.within(CheckpointTimes.callTimeout)
        tape = TapeLookup(client, jetStream)
    }

    /// Does a job and returns its answer.
    mutating func answer(to job: CheckpointJob) -> CheckpointAnswer {
        switch job {
        case .look(let partition, let round):
            return answer(partition, round) { responder throws in try responder.look(at: partition)
            }
        case .find(let partition, let round, let lane):
            return answer(partition, round) { responder throws in
                try responder.find(partition, lane)
            }
        case .write(let partition, let round, let image, let epoch):
            do throws(CheckpointFailure) {
                return try write(image, partition, round, epoch: epoch)
            } catch {
                forget()
                stores[partition.number]?.forget()
                return .notWritten(partition, round: round, reason: "\(error)")
            }
        case .repair(let partition, let number, let question):
            let responder = RepairResponder(names: client.names, jetStream: jetStream)
            return .repair(responder.answer(question, of: partition), number: number)
        }
    }

    /// Does a `look` or `find`, and returns its answer.
    private mutating func answer(
        _ partition: Partition, _ round: UInt64,
        _ situation: (inout CheckpointResponder) throws -> RecoverySituation
    ) -> CheckpointAnswer {
        do {
            return .found(partition, round: round, try situation(&self))
        } catch {
            forget()
            return .notFound(partition, round: round, reason: "\(error)")
        }
    }

    /// Closes the bucket after a failure, because the bucket may have been the cause. The next job
    /// opens it again.
    private mutating func forget() { bucket = nil }

    /// Opens the bucket early, so that the first partition need not wait for it. If it fails, jobs
    /// open it.
    mutating func prepare() {
        do throws(CheckpointFailure) {
            _ = try open()
        } catch {
            telemetry.emit(.requestsNotRead(reason: "\(error)"))
        }
    }

    /// Returns the open bucket.
    private mutating func open() throws(CheckpointFailure) -> KeyValueBucket {
        if let bucket { return bucket }
        do throws(TapeError) {
            let opened = try jetStream.openOrMakeBucket(client.names.operatorBucketConfiguration)
            bucket = opened
            return opened
        } catch {
            throw .noBucket(error)
        }
    }

    /// Returns the partition's store. The caller has to put it back into `stores`.
    private mutating func store(
        _ partition: Partition
    ) throws(CheckpointFailure) -> CheckpointStore<KeyValueBucket> {
        let bucket = try open()
        return stores[partition.number]
            ?? CheckpointStore(bucket, partition: partition.number)
    }

    /// Returns the situation with the worker's own settings, before anything is read.
    private func blank(_ partition: Partition) -> RecoverySituation {
        var situation = RecoverySituation(
            partition: partition, definition: settings.definition,
            generation: settings.generation, program: settings.program)
        if partition == client.names.universe {
            situation.universe = settings.universe(of: client.names)
        }
        return situation
    }

    /// Finds out whether the partition may be taken. It reads only what decides that, because no
    /// worker makes the partition's bars until this one's marker is on the tape.
    private mutating func look(at partition: Partition) throws -> RecoverySituation {
        // The known revisions of keys are of an earlier tenure.
        stores[partition.number] = nil
        var store = try store(partition)
        defer { stores[partition.number] = store }
        var found = blank(partition)
        // No generation has the number 0, so only the head is read.
        found.stored = try store.load(
            definition: settings.definition, generation: 0, program: settings.program)
        (found.last, found.markerGeneration, found.standing) = try tape.last(of: partition)
        // After a restore there is no head, and the request says what a database has.
        let isStopped = if case .stop = found.refusal { true } else { false }
        if isStopped || found.stored.head == nil { found.request = try store.rebuildRequest() }
        return found
    }

    /// Reads all that decides how the partition begins, after its lane was opened.
    private mutating func find(
        _ partition: Partition, _ lane: CheckpointJob.LaneEnd
    ) throws -> RecoverySituation {
        var store = try store(partition)
        defer { stores[partition.number] = store }
        let damage = try store.claim(epoch: lane.epoch)
        var found = blank(partition)
        found.stored = try store.load(
            definition: settings.definition, generation: settings.generation,
            program: settings.program, universe: found.universe, isClaimed: true)
        found.laneOrdinal = lane.ordinal
        found.laneEpoch = lane.epoch
        found.request = try store.rebuildRequest()
        if let published = lane.published {
            // After it there is only the marker of this worker.
            (found.published, found.markerGeneration) = (published, settings.generation)
        } else {
            (found.published, found.markerGeneration) = try tape.end(of: partition)
        }
        for sentence in damage + found.stored.damage {
            telemetry.emit(.checkpointDamaged(partition: partition, reason: sentence))
        }
        if found.needsDefinition {
            found.published?.definition = try tape.definition(of: partition)
        }
        if found.needsInput {
            found.streamCreated = try tape.created(inputOf: partition)
            found.isInputThere = try tape.holds(found.published?.input, of: partition)
        }
        return found
    }

    /// Stores an image as the partition's next checkpoint.
    private mutating func write(
        _ image: CheckpointImage, _ partition: Partition, _ round: UInt64, epoch: UInt64
    ) throws(CheckpointFailure) -> CheckpointAnswer {
        let began = clock.monotonic()
        var store = try store(partition)
        // Stored back also after a failure, because its knowledge of the keys has changed.
        defer { stores[partition.number] = store }
        let outcome = try store.write(image, epoch: epoch)
        return .written(
            partition, round: round, outcome,
            CheckpointAnswer.Written(
                sequence: image.sequence, isBase: image.isBase, byteCount: image.bytes.count,
                nanoseconds: clock.monotonic() - began))
    }

    /// Returns the partitions for which a rebuild is requested, whichever worker owns them; `nil`
    /// when there are none, or they could not be read this time.
    mutating func requests() -> CheckpointAnswer? {
        do {
            let bucket = try open()
            var found: [Partition] = []
            for key in try bucket.keys(CheckpointKeys.requests) {
                guard let number = CheckpointKeys.partition(ofRequest: key),
                    number < settings.shares(of: client.names),
                    let request = try bucket.get(key)
                else { continue }
                do throws(VersionedJSON.Refusal) {
                    _ = try RebuildRequest(json: request.value)
                    found.append(Partition(number))
                } catch {
                    telemetry.emit(.requestsNotRead(reason: "\(key): \(error)"))
                }
            }
            return found.isEmpty ? nil : .requested(found)
        } catch {
            forget()
            telemetry.emit(.requestsNotRead(reason: "\(error)"))
            return nil
        }
    }
}
