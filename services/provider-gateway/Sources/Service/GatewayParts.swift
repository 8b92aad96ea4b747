import MarketModel
import ServiceRuntime
import TapeKeeping
import TapeTraces
import TapeTransport

/// The parts that all tenures of one gateway share.
struct GatewayParts {
    let settings: GatewaySettings
    /// The beat of the gateway's thread.
    let beat: ThreadBeat
    /// For calls on the gateway's thread alone: they are reported to its beat.
    let client: TapeClient
    let context: ServiceContext
    let report: GatewayReport
    let ownership: any TenureOwnership
    let readers: ReaderAnswers
    let metrics: GatewayMetrics
    /// Publishes acknowledged ticks to live listeners; `nil` when that is switched off.
    let live: LivePublisher?
    /// Sends traces of packets; `nil` when no collector is named.
    let traces: PacketTraces?
    /// Stores ticks that the tape does not accept at the moment; `nil` when none is configured.
    let spool: SourceSpool?
    /// Makes dead letters of ticks that are stamped too far ahead of the time.
    let letters: FutureLetters
    /// Finds out which instruments are wanted; `nil` for the source of delayed data, which has
    /// those of its live source.
    let instruments: WantedInstruments?
    /// Returns how much room the tape has left for this source's streams.
    let headroom: @Sendable () -> HeadroomLevel.Level
    /// Returns how far the slowest group is behind the tape; `nil` when nothing is known.
    let backlog: @Sendable (SourceName) -> StoreBacklog?

    /// Shows why the source is not ready; `nil`: it is.
    func show(trouble: String?) {
        let part = settings.source.isDelayed ? ReadinessPart.delayed : ReadinessPart.tape
        context.readiness.set(part, trouble)
    }
}
