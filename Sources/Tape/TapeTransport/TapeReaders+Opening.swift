internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
package import TapeCodec
internal import TapeProtocol

// How readers find their streams and make their consumers. All of it blocks the owner's thread.
extension TapeReaders {
    /// A consumer that a reader's machine wants.
    struct WantedConsumer {
        let reader: Int
        /// The machine's number of it.
        let number: UInt64
        let start: ReaderLane.Start
    }

    /// Opens several readers, each at its position, as `open(_:at:)` does. Each stream is described
    /// once, and all consumers are requested at the same time, so it takes little longer than
    /// opening one.
    package func open(_ places: [(reader: Int, position: TapePosition?)]) {
        var streams: [String: Result<StreamInfo?, JetStreamError>] = [:]
        var wanted: [WantedConsumer] = []
        for (reader, position) in places {
            readers[reader].machine.open(at: position, into: &effects)
            // One that is open already asks for nothing.
            guard !effects.isEmpty else { continue }
            effects.removeAll(keepingCapacity: true)
            let stream = readers[reader].input.stream
            let answer = streams[stream] ?? description(for: reader)
            streams[stream] = answer
            described(reader, answer)
            for effect in effects {
                guard case .createConsumer(let number, let start) = effect else {
                    carryOut(effect, reader)
                    continue
                }
                wanted.append(WantedConsumer(reader: reader, number: number, start: start))
            }
            effects.removeAll(keepingCapacity: true)
        }
        for each in createdConsumers(wanted) {
            took(each.wanted, each.result)
            carryOut(each.wanted.reader)
        }
    }

    // MARK: streams

    func readStream(_ reader: Int) { described(reader, description(for: reader)) }

    private func description(for reader: Int) -> Result<StreamInfo?, JetStreamError> {
        do throws(JetStreamError) {
            return .success(try calls(reader).streamInfo(readers[reader].input.stream))
        } catch {
            return .failure(error)
        }
    }

    /// Hands the description of a reader's stream to its machine.
    private func described(_ reader: Int, _ answer: Result<StreamInfo?, JetStreamError>) {
        switch answer {
        case .success(let info):
            readers[reader].answers.isReplicated = info?.configuration.replicas ?? 1 > 1
            readers[reader].lacksStream = info == nil
            guard let info else {
                return failed(reader, "stream \(readers[reader].input.stream) does not exist yet")
            }
            let bounds = ReaderLane.StreamBounds(
                created: info.created, firstSequence: info.firstSequence,
                lastSequence: info.lastSequence,
                isReplicated: info.configuration.replicas > 1)
            readers[reader].machine.streamRead(
                bounds, now: clock.monotonic(), into: &effects)
        case .failure(let error):
            noteWait(reader, error)
            failed(reader, "\(error)")
        }
    }

    // MARK: consumers

    /// Makes consumers, and hands the results to the machines.
    func createConsumers(_ wanted: [WantedConsumer]) {
        for each in createdConsumers(wanted) { took(each.wanted, each.result) }
    }

    private typealias CreatedConsumer = (
        wanted: WantedConsumer, result: Result<String?, JetStreamError>
    )

    private func createdConsumers(_ wanted: [WantedConsumer]) -> [CreatedConsumer] {
        // The most patient one decides: the answers come at the same time.
        let timeouts = wanted.map {
            readers[$0.reader].answers.timeout(max: client.jetStream.timeout)
        }
        guard let timeout = timeouts.max() else { return [] }
        let results = client.jetStream.within(timeout).createConsumers(
            wanted.map { each in
                let input = readers[each.reader].input
                return (
                    stream: input.stream,
                    configuration: ConsumerConfiguration(
                        name: consumer(each.reader, each.number), filterSubjects: input.filters,
                        deliver: each.start.deliver, inactiveThreshold: idleMax)
                )
            })
        return zip(wanted, results).map { (wanted: $0, result: $1) }
    }

    private func took(_ wanted: WantedConsumer, _ result: Result<String?, JetStreamError>) {
        let reader = wanted.reader
        switch result {
        case .success:
            readers[reader].answers.answered()
            dropWaiting(reader)
            readers[reader].machine.consumerCreated(
                consumerNumber: wanted.number, now: clock.monotonic(), into: &effects)
        case .failure(let error):
            noteWait(reader, error)
            failed(reader, "\(error)")
        }
    }

    // MARK: failures

    /// Only what was not answered in time is awaited longer. A stream without a leader is refused
    /// at once.
    private func noteWait(_ reader: Int, _ error: JetStreamError) {
        if case .transport(.timedOut) = error { readers[reader].answers.failed() }
    }

    private func calls(_ reader: Int) -> JetStream {
        client.jetStream.within(readers[reader].answers.timeout(max: client.jetStream.timeout))
    }

    /// Reports that the reader could not be opened. Its machine tries again.
    private func failed(_ reader: Int, _ reason: String) {
        client.telemetry.emit(.tapeCallFailed(reason: reason))
        readers[reader].machine.openFailed(now: clock.monotonic())
    }
}
