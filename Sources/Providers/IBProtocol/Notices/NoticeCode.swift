/// The vendor's notices that mean something to a recorder, by the numbers they come with.
package enum NoticeCode: Int32, Hashable, Sendable, CaseIterable {
    case tooManyMessages = 100
    case tooManyLines = 101
    /// Everything that can happen to history: the text tells what did.
    case historyFailed = 162
    case noSuchContract = 200
    case noSuchRequest = 300
    case tooManyBooks = 309
    case noSuchBook = 310
    case depthHalted = 316
    case depthReset = 317
    case unreadableRequest = 320
    case invalidRequest = 321
    case duplicateRequest = 322
    case clientIDInUse = 326
    case notSubscribed = 354
    case noSuchHistory = 366
    case realTimeBarsRefused = 420
    case noFundamentals = 430
    case connectionLost = 1_100
    case restoredWithoutData = 1_101
    case restored = 1_102
    case portChanged = 1_300
    case marketDataBroken = 2_103
    case marketDataOK = 2_104
    case historyBroken = 2_105
    case historyOK = 2_106
    case historyInactive = 2_107
    case marketDataInactive = 2_108
    case platformDisconnected = 2_110
    case marketDataConnecting = 2_119
    case definitionsBroken = 2_157
    case definitionsOK = 2_158
    case subscriptionMissing = 10_089
    case partlyNotSubscribed = 10_090
    case partlyNotSubscribedToo = 10_091
    case depthUnsupported = 10_092
    case delayedDataFollow = 10_167
    case delayedDataOff = 10_168
    case notSubscribedAtAll = 10_186
    case historyTicksFailed = 10_187
    case tickByTickRefused = 10_189
    case tooManyTickByTick = 10_190
    case competingSession = 10_197
    case realTimeBarsEnded = 10_225
}
