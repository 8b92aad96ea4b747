import ServiceRuntime
import TapeTransport

/// What all tenures of one gateway share.
struct GatewayParts {
    let settings: GatewaySettings
    let client: TapeClient
    let context: ServiceContext
    let report: GatewayReport
    let seat: SourceSeat
    let readers: ReaderEar
    let metrics: GatewayMetrics
}
