import Testing

/// The real programs on real servers. One test after the other: each of them starts four services
/// and three servers, and two cores are enough for that, not for more.
@Suite(.serialized) enum IntegrationTests {}
