import Testing

/// Whole stacks under what only the night has time for. One test at a time, as in
/// `IntegrationTests`.
@Suite(.serialized) enum IntegrationNightTests {}
