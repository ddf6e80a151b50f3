/** Calls of builtins that write and read times. */
const NOW = '1707133074028819500'
export const timeCalls: Readonly<Record<string, readonly string[]>> = {
  'time.format': [
    NOW,
    `[${NOW}, "America/New_York"]`,
    `[${NOW}, "America/New_York", "RFC1123"]`,
    `[${NOW}, "Europe/Berlin", "Monday January _2 3:04PM MST Z0700 .000 ,999 002 __2"]`,
    `[${NOW}, "Asia/Kolkata", "Z07:00:00 -07"]`,
    '[0, "", "RFC3339Nano"]',
    '[0, "UTC", "ANSIC UnixDate"]',
    '[0, "UTC", "Jan January Janus 06 2006 _2006"]',
    '[0, "Nowhere"]',
    '"a"',
  ],
  'time.parse_ns': [
    '"RFC3339", "2023-01-01T00:00:00Z"',
    '"2006-01-02 MST", "2023-01-01 PST"',
    '"Jan _2 2006", "Feb  3 2020"',
    '"2006-01-02", "2023-02-30"',
    '"15:04", "23:59"',
    '"2006-01-02T15:04:05", "2023-01-01T00:00:00.123"',
    '"RFC850", "Monday, 02-Jan-06 15:04:05 MST"',
    '"2006-002", "2020-060"',
    '"2006-01-02", "2023-1-1"',
    '"2006-01-02 3:04PM", "2023-01-01 12:05AM"',
    '"RFC822Z", "02 Jun 17 19:00 -0700"',
    '"2006", "2023 "',
    '1, "a"',
  ],
}
