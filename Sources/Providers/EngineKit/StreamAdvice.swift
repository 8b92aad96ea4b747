/// What a person can do about what services of streams refuse, whoever they are.
package enum StreamAdvice {
    package static let late = "check the network, and a proxy between: the key was sent too late"
    package static let occupied =
        "another session is connected, or was cut off just now: end it, or wait two minutes"
    package static let slow = "remove instruments, or give this machine more processor or network"
}
