import Testing

/// The real programs on real servers. The tests run one after the other: each starts four services
/// and three servers, and two cores suffice for only one.
@Suite(.serialized) enum IntegrationTests {}
