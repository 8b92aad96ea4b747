import TapeTransport
import ServiceRuntime

/// What all tenures of one gateway share.
struct GatewayParts {
    let settings: GatewaySettings
    /// Of the gateway's thread.
    let beat: ThreadBeat
    /// For calls on the gateway's thread alone: its beat hears of them.
    let client: TapeClient
    let context: ServiceContext
    let report: GatewayReport
    let seat: SourceSeat
    let readers: ReaderEar
    let metrics: GatewayMetrics
    /// Tells whoever listens live what the tape acknowledged; nil: nobody is told.
    let live: LivePublisher?
    /// Takes what the tape does not take at the moment; nil: there is none.
    let spool: SourceSpool?
    /// Takes ticks that are stamped too far ahead of the time.
    let letters: FutureLetters
    /// Reads the lists of instruments again; nil: there are none.
    let instruments: InstrumentReload?
    /// How much room the tape has left for this source's streams.
    let headroom: @Sendable () -> HeadroomLevel.Level
}
