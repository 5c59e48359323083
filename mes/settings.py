"""All settings, from the environment, typed. What is missing falls back to the embedded servers; what is wrong stops the start.

Key files live in `LAMINA_VAR/keys`, one secret each, mode 0600; they are made on first use and never have a default.
"""

import gc
from datetime import timedelta

from csp.constants import NONCE, NONE, SELF

from mes.embedded.connect import django_database
from mes.embedded.environment import BASE_DIR, identity_provider, read_environment
from mes.embedded.keyfiles import only_reads, read_or_create
from mes.embedded.layout import Layout
from mes.embedded.roles import Role, address
from mes.embedded.valkey import Valkey, celery_url
from mes.passwords import SHORTEST
from mes.vault import refuse_unusable

# All that a start makes stays: looking through it for garbage takes a sixth of the start. `mes.apps` ends this.
gc.disable()
gc.set_threshold(5000, 20, 20)

ENVIRONMENT = read_environment()
LAYOUT = Layout(ENVIRONMENT.var.resolve())
if not only_reads():
    LAYOUT.create()

VAR_DIR = LAYOUT.root
KEYS_DIR = LAYOUT.keys
ARTEFACTS_DIR = LAYOUT.artefacts
QUARANTINE_DIR = LAYOUT.quarantine
WITNESS_DIR = LAYOUT.witness
CACHE_DIR = LAYOUT.cache

SECRET_KEY = read_or_create(KEYS_DIR / "secret_key")
# No process that reaches patients starts with a vault that it could not open, or that others could. None is made here:
# whoever only verifies has none.
if ENVIRONMENT.role is not Role.SEALER:
    refuse_unusable(KEYS_DIR)
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.hosts
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.origins
ROOT_URLCONF = "mes.urls"
WSGI_APPLICATION = "mes.wsgi.application"
ASGI_APPLICATION = "mes.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "mes.apps.MesConfig",
    "devices.apps.DevicesConfig",
    "printing.apps.PrintingConfig",
    "quality.apps.QualityConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "mes.api.verbs.KnownVerbs",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "mes.dashboard.sessions.SessionGuard",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    }
]


# One role per process: `app`, except where the supervisor starts the sealer. The owner is opened by `prepare_database`.
POOL = ENVIRONMENT.web_connections if ENVIRONMENT.web else 0
DATABASES = {"default": django_database(address(ENVIRONMENT.role, LAYOUT), pool_size=POOL)}
BROKER_URL = ENVIRONMENT.broker_url or Valkey(LAYOUT).url
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [BROKER_URL]}}
}
CELERY_BROKER_URL = celery_url(BROKER_URL)
# Celery's command takes BROKER_URL from the environment for its own and would not understand our form of it.
CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = CELERY_BROKER_URL
CELERY_WORKER_CONCURRENCY = ENVIRONMENT.worker_concurrency

# The event log: how long a delivery may be on its way or at work before it is sent again, and how often.
DELIVERY_QUEUE_LEASE = timedelta(seconds=60)
DELIVERY_RUN_LEASE = timedelta(seconds=15)
DELIVERY_RETRY_FIRST = timedelta(seconds=1)
DELIVERY_ATTEMPTS = 12
SEAL_EVERY = timedelta(seconds=10)
SEAL_EVENTS = 1000
# How long the oldest event may wait for its seal before nothing more is signed: a backup makes seals wait meanwhile.
SEALS_OVERDUE = timedelta(hours=1)
# How often somebody has to have done what keeps the record safe; the page of safekeeping says what is overdue.
BACKUP_EVERY = timedelta(days=1, hours=12)
DRILL_EVERY = timedelta(days=30)
CHECK_EVERY = timedelta(days=1)

# Patients' identities: how often one person may look or search, and how long an access in an emergency lasts (HIPAA 164.312).
IDENTITY_VIEWS_PER_HOUR = 30
IDENTITY_SEARCHES_PER_HOUR = 60
EMERGENCY_ACCESS = timedelta(minutes=30)
EMERGENCIES_PER_DAY = 5

AUTH_USER_MODEL = "mes.Account"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in {
        "UserAttributeSimilarityValidator": {},
        "MinimumLengthValidator": {"min_length": SHORTEST},
        "NumericPasswordValidator": {},
    }.items()
]
AUTH_PASSWORD_VALIDATORS.append({"NAME": "mes.passwords.BreachListValidator", "OPTIONS": {}})
# One door: it only finds who a session belongs to. Secrets are looked at by `mes.services.credentials` alone.
AUTHENTICATION_BACKENDS = ["mes.api.authentication.SessionBackend"]
PASSWORD_AGE = timedelta(days=ENVIRONMENT.password_days)
CREDENTIAL_REVIEW = timedelta(days=180)
SITE_ADDRESS = ENVIRONMENT.address.rstrip("/")
IDLE = timedelta(minutes=ENVIRONMENT.idle_minutes)

# django-allauth: the protocols of passkeys and identity providers. Its own pages, limits and tables of people are not used.
ACCOUNT_ADAPTER = "mes.dashboard.allauth.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "mes.dashboard.allauth.IdentityAdapter"
ACCOUNT_USER_MODEL_EMAIL_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_RATE_LIMITS = False
MFA_SUPPORTED_TYPES = ["webauthn"]
MFA_WEBAUTHN_USER_VERIFICATION = "required"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
OIDC_ISSUER = ENVIRONMENT.oidc_issuer
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": identity_provider(ENVIRONMENT, KEYS_DIR)}}

# To the addresses that their owners have verified. Without a mail server they wait in `var/mail`.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENVIRONMENT.mail_from
EMAIL_FILE_PATH = str(LAYOUT.root / "mail")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if ENVIRONMENT.smtp_host else 'filebased'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS = ENVIRONMENT.smtp_host, ENVIRONMENT.smtp_port, ENVIRONMENT.smtp_tls
EMAIL_HOST_USER = ENVIRONMENT.smtp_user
EMAIL_HOST_PASSWORD = read_or_create(KEYS_DIR / "smtp_password") if ENVIRONMENT.smtp_user else ""
# Signing (docs/signing.md): when a series ends, what opens one, and what a missing letter to the FDA or an unsynchronised
# clock does.
SIGNING_IDLE_MINUTES = ENVIRONMENT.signing_idle_minutes
SIGNING_LOGIN_OPENS_SERIES = ENVIRONMENT.login_opens_series
SIGNING_MARKETS = ENVIRONMENT.markets
SIGNING_LETTER = ENVIRONMENT.fda_letter
SIGNING_CLOCK = ENVIRONMENT.clock

ENVIRONMENT_NOTE = ENVIRONMENT.note
LOGIN_URL = "/sign-in/"
# How often somebody confirms that a person still needs a role, and how many days late that may be before nothing can be
# signed with it (11.10(d), G-OPR-02).
ROLE_REVIEW_DAYS, ROLE_REVIEW_GRACE = ENVIRONMENT.role_review_days, ENVIRONMENT.role_review_grace
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"

# Front-end packages come from the lock file's install and are served as they are: no bundler, no CDN.
STATIC_URL = "/static/"
STATIC_ROOT = LAYOUT.static
WHITENOISE_USE_FINDERS = True
NODE_MODULES = BASE_DIR / "node_modules"
FRONT_END = {
    "vendor/htmx": NODE_MODULES / "htmx.org" / "dist",
    "vendor/three": NODE_MODULES / "three" / "build",
    "vendor/three-addons": NODE_MODULES / "three" / "examples" / "jsm",
    "vendor/inter": NODE_MODULES / "@fontsource-variable" / "inter" / "files",
    "vendor/uplot": NODE_MODULES / "uplot" / "dist",
}
STATICFILES_DIRS = [(prefix, str(folder)) for prefix, folder in FRONT_END.items() if folder.is_dir()]

DICOM_PORT, DICOM_HOST = ENVIRONMENT.dicom_port, ENVIRONMENT.dicom_host
DICOM_TITLE, DICOM_ASSOCIATIONS = ENVIRONMENT.dicom_title, ENVIRONMENT.dicom_associations
MAX_BODY_BYTES = ENVIRONMENT.max_body_mib * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 2000
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = str(QUARANTINE_DIR)
FILE_UPLOAD_PERMISSIONS = 0o600

# Longest, whatever happens; `IDLE` locks it long before (P11-10d).
SESSION_LONGEST = timedelta(hours=12)
SESSION_COOKIE_AGE = int(SESSION_LONGEST.total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-session" if ENVIRONMENT.https else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if ENVIRONMENT.https else "csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.https
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.https else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "worker-src": [SELF, "blob:"],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mes.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated", "mes.api.permits.Permitted"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["mes.api.parsers.ShallowJSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_PAGINATION_CLASS": "mes.api.pages.Pages",
    "EXCEPTION_HANDLER": "mes.api.errors.handle",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Lamina",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    # Several models have a field of the same name with choices of their own.
    "ENUM_NAME_OVERRIDES": {
        f"{name}Enum": f"{package}.choices.{name}"
        for package, names in {
            "mes": ("Role",),
            "devices": (
                "OrderStage",
                "Stage",
                "StudyStatus",
                "SegmentationStatus",
                "DesignStatus",
                "DefinitionStatus",
                "DraftPurpose",
                "UploadPurpose",
            ),
            "printing": (
                "Precision",
                "LotState",
                "ContainerState",
                "ParametersState",
                "BuildState",
                "JobState",
                "CommandKind",
                "CommandState",
            ),
            "quality": ("NonconformanceStage", "ExportKind", "GaugeKind"),
        }.items()
        for name in names
    },
}

# To stderr: the supervisor keeps each process's output in var/log. Nothing here may hold a patient's data.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "mes.logs.Discreet", "format": "{asctime} {levelname} {name} {message}", "style": "{"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": ENVIRONMENT.log_level},
    "loggers": {
        "django.db.backends": {"level": "INFO"},
        # The server's own lines tell exceptions whole, and those of sockets name the path.
        "uvicorn": {"handlers": ["stderr"], "propagate": False},
        "fido2": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
        "weasyprint": {"level": "ERROR"},
    },
}
