import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTraces

extension Worker {
    /// Notes a packet that was computed since `start`, when so many ticks had been late. What is
    /// computed again was noted the first time.
    func trace(
        _ header: PacketHeader, _ packet: NatsMessage, _ core: PartitionOperator,
        since start: Timestamp, late before: UInt64
    ) {
        guard let traces, core.isCaughtUp else { return }
        let late = core.counted.late &- before
        packet.withPayload {
            traces.read(
                header, $0,
                PacketTraces.Reading(
                    .process, from: start, to: clock.now(), late > 0 ? .late(late) : nil),
                stored: packet.withReplyTo { PulledMessage(ofReplySubject: $0)?.time }
                    ?? .undefined)
        }
    }
}
